package app.convmixer

import android.Manifest
import android.graphics.Bitmap
import android.graphics.Matrix
import android.os.Bundle
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.Preview
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.camera.view.PreviewView
import androidx.core.content.ContextCompat
import java.util.concurrent.Executors

/** Shows the camera and what the network names in its frames. */
class MainActivity : ComponentActivity() {
    // A model belongs to one thread, on which the camera delivers its frames.
    private val worker = Executors.newSingleThreadExecutor()
    private var classifier: Classifier? = null
    private val askForCamera =
        registerForActivityResult(ActivityResultContracts.RequestPermission()) { granted ->
            if (granted) startCamera() else show("No permission for the camera.")
        }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        askForCamera.launch(Manifest.permission.CAMERA)
    }

    private fun startCamera() {
        val coming = ProcessCameraProvider.getInstance(this)
        coming.addListener({
            val preview = Preview.Builder().build()
            preview.surfaceProvider = findViewById<PreviewView>(R.id.preview).surfaceProvider
            val frames = ImageAnalysis.Builder()
                .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                .build()
            frames.setAnalyzer(worker) { frame -> frame.use(::classify) }
            coming.get().bindToLifecycle(
                this, CameraSelector.DEFAULT_BACK_CAMERA, preview, frames)
        }, ContextCompat.getMainExecutor(this))
    }

    private fun classify(frame: ImageProxy) {
        val began = System.nanoTime()
        val classifier = classifier ?: Classifier(this).also { classifier = it }
        val found = classifier.classify(upright(frame), SIZE)
        val milliseconds = (System.nanoTime() - began) / 1_000_000
        val lines = found.map { (label, score) -> "%s  %.0f %%".format(label, 100 * score) }
        show((lines + "$milliseconds ms, ${classifier.accelerator}").joinToString("\n"))
    }

    /** The frame as people see it: the sensor of most phones is turned by 90 degrees. */
    private fun upright(frame: ImageProxy): Bitmap {
        val turn = Matrix().apply { postRotate(frame.imageInfo.rotationDegrees.toFloat()) }
        return Bitmap.createBitmap(frame.toBitmap(), 0, 0, frame.width, frame.height, turn, true)
    }

    private fun show(text: String) = runOnUiThread {
        findViewById<TextView>(R.id.classes).text = text
    }

    override fun onDestroy() {
        super.onDestroy()
        worker.execute { classifier?.close() }
        worker.shutdown()
    }

    companion object {
        /** Height and width of the network's images, which MODEL_CARD.md states. */
        const val SIZE = 224
    }
}
