import SwiftUI

@main
struct StudentApp: App {
  var body: some Scene {
    WindowGroup { ContentView() }
  }
}

/// A text, a button, and what the student says.
struct ContentView: View {
  @State private var text = ""
  @State private var answer = ""
  @State private var isBusy = false
  @State private var model: StudentModel?

  var body: some View {
    VStack(alignment: .leading, spacing: 16) {
      TextField("A text, or one with [MASK]", text: $text).textFieldStyle(.roundedBorder)
      Button("Predict") { Task { await predict() } }.disabled(isBusy)
      Text(answer).font(.body.monospacedDigit())
      Spacer()
    }
    .padding()
  }

  @MainActor
  private func predict() async {
    isBusy = true
    defer { isBusy = false }
    do {
      let student = try await loaded()
      let started = Date()
      let found = try await student.predict(text)
      let milliseconds = Date().timeIntervalSince(started) * 1000
      let lines = found.map { String(format: "%5.1f%%  ", 100 * $0.share) + $0.name }
      answer = (lines + [String(format: "%.1f ms", milliseconds)]).joined(separator: "\n")
    } catch {
      answer = error.localizedDescription
    }
  }

  /// The model, read when it is first asked, beside the main thread.
  @MainActor
  private func loaded() async throws -> StudentModel {
    if let model { return model }
    let made = try await Task.detached { try StudentModel() }.value
    model = made
    return made
  }
}
