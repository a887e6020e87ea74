import NODECore
import PerformanceCheck

/// torchdiffeq's odenet_mnist: 64 channels, 6x6 maps, batch 128, SGD with momentum; the 6-block ResNet, and the ODE-Net
/// with dopri5 at 1e-3. One training step.
struct W5: Workload {
  private static let rows: [(name: String, row: RowName)] = [
    ("resnet6", .resNet6), ("exact", .odeNet), ("adjoint", .odeNetBacksolve),
  ]
  private let data = SyntheticDigits.dataset(count: 128, key: RandomKey(seed: 4))

  private func model(_ row: RowName) -> ImageClassifier<Float> {
    row.classifier(channels: 64, key: RandomKey(seed: 5))!
  }

  func export(to folder: String) throws {
    let writer = InputWriter(folder: folder, workload: "w5")
    let batch = data.batch(0..<128)
    try writer.write("images", batch.images)
    try writer.write("labels", batch.labels)
    try writer.write("resnet6.", parametersOf: model(.resNet6))
    try writer.write("odenet.", parametersOf: model(.odeNet))
  }

  func variants() throws -> [WorkloadVariant] {
    try Self.rows.map { name, row in
      let subject = try TrainingSubject(
        model(row), optimizer: .sgd(learningRate: 0.01, momentum: 0.9), batch: data.batch(0..<128),
        fill: { $0.fill(from: data, 0..<128) }
      ) { model, batch in softmaxCrossEntropy(logits: try model(batch.images), labels: batch.labels).mean() }
      let flops = { (spent: Evaluations) in
        // Multiply-adds of an image: the stem's convolutions, two convolutions of a residual block or of the field.
        let stem = Double(26 * 26 * 64 * 9 + 13 * 13 * 64 * 16 * 64 + 6 * 6 * 64 * 16 * 64)
        let block = Double(2 * 36 * 64 * 9 * 64)
        let forward = Double(spent.forward)
        let middle =
          switch row {
          case .resNet6: 3 * 6 * block
          // State again and its product: three fields an evaluation.
          case .odeNetBacksolve: (forward + 3 * Double(spent.backward)) * block
          default: 3 * forward * block
          }
        return 2 * 128 * (3 * stem + middle)
      }
      return WorkloadVariant(name: name, subject: subject, necessaryFlops: flops, check: { subject.loss })
    }
  }
}
