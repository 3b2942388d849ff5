import AVFoundation
import SwiftUI

@main
struct ClassifyApp: App {
    @StateObject private var classifier = LiveClassifier()

    var body: some Scene {
        WindowGroup {
            VStack(alignment: .leading) {
                CameraView(session: classifier.session)
                ForEach(classifier.classes, id: \.self) { Text($0) }
                Text(classifier.status).foregroundStyle(.secondary)
            }
            .padding()
            .task { await classifier.start() }
        }
    }
}

/// What the camera sees.
struct CameraView: UIViewRepresentable {
    let session: AVCaptureSession

    final class PreviewView: UIView {
        override class var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }
        var previewLayer: AVCaptureVideoPreviewLayer { layer as! AVCaptureVideoPreviewLayer }
    }

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        view.previewLayer.session = session
        view.previewLayer.videoGravity = .resizeAspectFill
        return view
    }

    func updateUIView(_ view: PreviewView, context: Context) {}
}
