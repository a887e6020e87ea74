import Testing

@testable import NODECore

/// A field, and the operation that mixes its rows; nil: none does.
private struct MixingCase: CustomTestStringConvertible, Sendable {
  typealias D = Tensor<Double>
  let testDescription: String
  let mixing: String?
  let field: @Sendable (D) -> D

  init(_ name: String, _ mixing: String?, _ field: @escaping @Sendable (D) -> D) {
    testDescription = name
    self.mixing = mixing
    self.field = field
  }

  static let rows = 4, width = 3
  static let weight = D.normal(shape: [3, 3], key: RandomKey(seed: 1))

  static let all: [MixingCase] = [
    MixingCase("centred over rows", "sum") { y in y - y.mean(axes: 0, keepingDimensions: true) },
    MixingCase("largest row", "max") { y in y * y.max(axes: 0, keepingDimensions: true) },
    MixingCase("mean of everything", "sum") { y in y * y.mean() },
    MixingCase("attention between rows", "matmul") { y in
      matmul(softmax(matmul(y, y.transposed()), axis: 1), y)
    },
    MixingCase("covariance", "matmul") { y in matmul(y, matmul(y.transposed(), y)) },
    MixingCase("rows by a matrix", "matmul") { y in matmul(.ones([4, 4]), y) },
    MixingCase("pairs", "subtract") { y in
      let pairs =
        y.reshaped(to: [4, 1, 3]).broadcast(to: [4, 4, 3])
        - y.reshaped(to: [1, 4, 3]).broadcast(to: [4, 4, 3])
      return tanh(pairs).sum(axes: 1)
    },
    MixingCase("upside down", "reverse") { y in y.reversed(axes: 0) },
    MixingCase("running sums of rows", "cumulativeSum") { y in
      y.cumulativeSum(axis: 0)
    },
    MixingCase("rows by index", "gather") { y in y.gather(at: Tensor<Int32>([1, 2, 3, 0])) },
    MixingCase("batch normalisation", "sum") { y in
      let centred = y - y.mean(axes: 0, keepingDimensions: true)
      return centred / sqrt(square(centred).mean(axes: 0, keepingDimensions: true) + 1e-5)
    },
    MixingCase("two rows at a time", nil) { y in
      // The rows are all there, wherever they are in between.
      .concatenated([tanh(y.sliced(0..<2, axis: 0)), sin(y.sliced(2..<4, axis: 0))], axis: 0)
    },
    MixingCase("columns as rows", nil) { y in
      tanh(matmul(y.reshaped(to: [12, 1]), .ones([1, 5]))).sum(axes: 1).reshaped(to: [4, 3])
    },
    MixingCase("transposed and back", nil) { y in
      matmul(weight, tanh(y.transposed())).reversed(axes: 0).transposed()
    },
    MixingCase("a batch of matrices", nil) { y in
      let batch = y.reshaped(to: [4, 1, 3])
      return matmul(matmul(batch, batch.transposed()), batch).reshaped(to: [4, 3])
    },
    MixingCase("columns by index", nil) { y in
      y.gather(at: Tensor<Int32>([1, 2, 0]), axis: 1)
    },
    MixingCase("a mean without derivative", nil) { y in y * stopGradient(y.mean()) },
  ]
}

@Suite struct RowDependenceTests {
  private func mixing(_ field: (Tensor<Double>) -> Tensor<Double>, shape: Shape) -> String? {
    let y = Tensor<Double>.normal(shape: shape, key: RandomKey(seed: 2))
    return Graph.differentiating([y.value]) { arguments in
      rowMixing(of: field(Tensor(arguments[0])).value, at: arguments[0])
    }
  }

  @Test(arguments: MixingCase.all) private func mixedRowsAreFound(item: MixingCase) {
    #expect(mixing(item.field, shape: [MixingCase.rows, MixingCase.width]) == item.mixing)
  }

  @Test(arguments: DivergenceCase.all) func fieldsOfRowsAreNotRefused(item: DivergenceCase) {
    #expect(mixing(item.field, shape: item.state.shape) == nil)
  }

  /// One row has nobody to mix with.
  @Test func aSingleRowIsItsOwn() {
    #expect(mixing({ y in y - y.mean(axes: 0, keepingDimensions: true) }, shape: [1, 3]) == nil)
  }

  @Test func aFlowOfMixedRowsStops() async throws {
    struct Centred: VectorField {
      func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
        y - y.mean(axes: 0, keepingDimensions: true)
      }
      mutating func visitParameters(_ visit: inout ParameterVisitor) {}
    }
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let flow = ContinuousFlow(Centred(), dimensions: 2)
      _ = try flow.toBase(.ones([5, 2]), key: RandomKey(seed: 0))
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(
      text.contains("Divergence: a row of the field") && text.contains("sum mixes the rows")
        && text.contains("[5, 2]"))
  }
}
