import AVFoundation
import CoreImage
import MediaPipeTasksVision

/// Classifies the frames of the camera; frames are dropped while it is busy.
final class LiveClassifier: NSObject, ObservableObject {
    @Published var classes: [String] = []
    @Published var status = ""
    let session = AVCaptureSession()
    private let frames = DispatchQueue(label: "frames")
    private let context = CIContext()
    private var classifier: ImageClassifier?
    /// Height and width of the network's images, which MODEL_CARD.md states.
    private let size = 224.0

    func start() async {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            await MainActor.run { status = "No permission for the camera." }
            return
        }
        do {
            try prepare()
            frames.async { self.session.startRunning() }
        } catch {
            await MainActor.run { status = error.localizedDescription }
        }
    }

    private func prepare() throws {
        let options = ImageClassifierOptions()
        guard let path = Bundle.main.path(forResource: "model", ofType: "tflite"),
            let camera = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .back)
        else { throw CocoaError(.fileNoSuchFile) }
        options.baseOptions.modelAssetPath = path
        options.runningMode = .video
        options.maxResults = 5
        classifier = try ImageClassifier(options: options)

        session.addInput(try AVCaptureDeviceInput(device: camera))
        let output = AVCaptureVideoDataOutput()
        output.alwaysDiscardsLateVideoFrames = true
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.setSampleBufferDelegate(self, queue: frames)
        session.addOutput(output)
        // Frames come upright, as the app is held in portrait.
        output.connection(with: .video)?.videoOrientation = .portrait
    }

    /// The middle square, with antialiasing, as evaluation resizes it.
    private func middleSquare(_ frame: CIImage) -> CVPixelBuffer? {
        let side = min(frame.extent.width, frame.extent.height)
        let square = frame.cropped(to: CGRect(
            x: frame.extent.midX - side / 2, y: frame.extent.midY - side / 2, width: side, height: side))
        let resized = square
            .transformed(by: CGAffineTransform(translationX: -square.extent.minX, y: -square.extent.minY))
            .applyingFilter("CILanczosScaleTransform", parameters: ["inputScale": size / side])
        var buffer: CVPixelBuffer?
        CVPixelBufferCreate(
            nil, Int(size), Int(size), kCVPixelFormatType_32BGRA,
            [kCVPixelBufferIOSurfacePropertiesKey: [:] as CFDictionary] as CFDictionary, &buffer)
        if let buffer { context.render(resized, to: buffer) }
        return buffer
    }
}

extension LiveClassifier: AVCaptureVideoDataOutputSampleBufferDelegate {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput frame: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let pixels = CMSampleBufferGetImageBuffer(frame),
            let square = middleSquare(CIImage(cvPixelBuffer: pixels)),
            let classifier
        else { return }
        let began = Date()
        let milliseconds = Int(CMSampleBufferGetPresentationTimeStamp(frame).seconds * 1000)
        do {
            let result = try classifier.classify(
                videoFrame: MPImage(pixelBuffer: square), timestampInMilliseconds: milliseconds)
            let found = result.classificationResult.classifications.first?.categories ?? []
            let lines = found.map { "\($0.categoryName ?? "")  \(Int(100 * $0.score)) %" }
            let status = "\(Int(1000 * Date().timeIntervalSince(began))) ms"
            // None where the file has a threshold and no class reaches it.
            DispatchQueue.main.async { (self.classes, self.status) = (lines, lines.isEmpty ? "Not sure" : status) }
        } catch {
            DispatchQueue.main.async { self.status = error.localizedDescription }
        }
    }
}
