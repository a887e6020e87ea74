import NODECore
import PerformanceCheck

/// Ceilings of matrix products: 1024 x 1024 x 1024, and a thousand of 50 x 50 x 20.
struct W8: Workload {
  private let square: Tensor<Float>, left: Tensor<Float>, right: Tensor<Float>

  init() throws {
    (square, left, right) = try evaluated(
      Tensor<Float>.normal(shape: [1024, 1024], key: RandomKey(seed: 10)),
      Tensor<Float>.normal(shape: [1000, 50, 50], key: RandomKey(seed: 11)),
      Tensor<Float>.normal(shape: [1000, 50, 20], key: RandomKey(seed: 12)))
  }

  func export(to folder: String) throws {
    let writer = InputWriter(folder: folder, workload: "w8")
    try writer.write("square", square)
    try writer.write("left", left)
    try writer.write("right", right)
  }

  func variants() throws -> [WorkloadVariant] {
    [
      variant("sgemm-1024", square, square, 2.0 * 1024 * 1024 * 1024),
      variant("batched", left, right, 2.0 * 1000 * 50 * 50 * 20),
    ]
  }

  private func variant(_ name: String, _ a: Tensor<Float>, _ b: Tensor<Float>, _ flops: Double)
    -> WorkloadVariant
  {
    let product = compiled { (a: Tensor<Float>, b: Tensor<Float>) in matmul(a, b) }
    let subject = CallSubject(
      program: { try product.program(for: a, b) }, profiled: { try product.profile(a, b, runs: $0) }
    ) { _ = try product(a, b) }
    return WorkloadVariant(
      name: name, subject: subject, necessaryFlops: { _ in flops },
      check: { Double(try product(a, b).sum().scalar) })
  }
}
