package app.convmixer

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.io.ByteArrayInputStream
import java.util.zip.ZipInputStream

/**
 * The exported files as one function of photos, to be used by one thread.
 *
 * `gpu.tflite` takes float32 pixels and runs on the GPU; where that fails, `cpu.tflite`,
 * which takes uint8, runs on the CPU.
 */
class Classifier(context: Context) : AutoCloseable {
    val accelerator: Accelerator
    private val model: CompiledModel
    private val labels: List<String>

    init {
        var compiled: CompiledModel? = null
        var used = Accelerator.GPU
        try {
            compiled = CompiledModel.create(
                context.assets, GPU, CompiledModel.Options(Accelerator.GPU), null)
        } catch (error: Exception) {
            used = Accelerator.CPU
        }
        accelerator = used
        model = compiled ?: CompiledModel.create(
            context.assets, CPU, CompiledModel.Options(Accelerator.CPU), null)
        val file = if (used == Accelerator.GPU) GPU else CPU
        labels = labelsOf(context.assets.open(file).use { it.readBytes() })
    }

    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /** The most probable classes of an upright photo, with their scores. */
    fun classify(photo: Bitmap, size: Int, top: Int = 5): List<Pair<String, Float>> {
        val square = middleSquare(photo, size)
        val colours = IntArray(size * size)
        square.getPixels(colours, 0, size, 0, 0, size, size)
        if (accelerator == Accelerator.GPU) {
            inputs[0].writeFloat(FloatArray(3 * colours.size) { channel(colours, it).toFloat() })
        } else {
            inputs[0].writeInt8(ByteArray(3 * colours.size) { channel(colours, it).toByte() })
        }
        model.run(inputs, outputs)
        return labels.zip(outputs[0].readFloat().asList())
            .sortedByDescending { (_, score) -> score }
            .take(top)
    }

    override fun close() {
        inputs.forEach { it.close() }
        outputs.forEach { it.close() }
        model.close()
    }

    companion object {
        const val GPU = "gpu.tflite"
        const val CPU = "cpu.tflite"

        /** R, G and B of each pixel, one after the other. */
        fun channel(colours: IntArray, index: Int): Int =
            colours[index / 3] shr (16 - 8 * (index % 3)) and 0xff

        /** The middle square, halved as long as it can be: an average of all pixels. */
        fun middleSquare(photo: Bitmap, size: Int): Bitmap {
            var side = minOf(photo.width, photo.height)
            var square = Bitmap.createBitmap(
                photo, (photo.width - side) / 2, (photo.height - side) / 2, side, side)
            while (side != size) {
                side = if (side < size) size else maxOf(size, (side + 1) / 2)
                square = Bitmap.createScaledBitmap(square, side, side, true)
            }
            return square
        }

        /** The lines of `labels.txt`, from the archive at the end of the file. */
        fun labelsOf(file: ByteArray): List<String> {
            val start = archiveStart(file)
            val archive = ZipInputStream(ByteArrayInputStream(file, start, file.size - start))
            archive.nextEntry
            return archive.readBytes().decodeToString().trimEnd('\n').lines()
        }

        /** Where the archive begins, which its end record tells. */
        private fun archiveStart(file: ByteArray): Int {
            fun int(at: Int) = (3 downTo 0).fold(0) { value, i ->
                value shl 8 or (file[at + i].toInt() and 0xff)
            }
            val end = file.size - 22  // It has no comment.
            val directory = int(end + 16)
            return int(directory + 42)
        }
    }
}
