import Testing

@testable import NODECore

/// Layout and digits are NumPy's (2.x, `repr` of the same arrays), but for the point: a whole number keeps one zero.
struct TensorPrintingTests {
  @Test func scalarsPrintLikeNumbers() {
    #expect("\(Tensor<Float>(1.5))" == "1.5")
    #expect("\(Tensor<Double>(-2))" == "-2.0")
    #expect("\(Tensor<Int32>(7))" == "7")
    #expect("\(Tensor<Double>(1e-10))" == "1.0e-10")
    #expect(Tensor<Float>(1.5).debugDescription == "1.5 float32[]")
  }

  @Test func vectorsShareOneWidth() {
    #expect("\(Tensor<Float>([1, 2.5, -3]))" == "[ 1.0,  2.5, -3.0] float32[3]")
    #expect("\(Tensor<Int32>([1, -20, 300]))" == "[  1, -20, 300] int32[3]")
    #expect("\(Tensor<Double>.zeros([0]))" == "[] float64[0]")
  }

  @Test func digitsAreTheShortestThatReadBackAndAtMostEight() {
    #expect("\(Tensor<Float>([0.1, 0.25]))" == "[0.10, 0.25] float32[2]")
    #expect("\(Tensor<Double>([1.0 / 3, 2.0 / 3]))" == "[0.33333333, 0.66666667] float64[2]")
    #expect("\(Tensor<Double>([0.999999999, 9.999999999]))" == "[ 1.0, 10.0] float64[2]")
    #expect("\(Tensor<Float>([3.1415927, 100]))" == "[  3.1415927, 100.0000000] float32[2]")
  }

  @Test func numbersFarApartAreScientific() {
    #expect("\(Tensor<Double>([1e-5, 1]))" == "[1.0e-05, 1.0e+00] float64[2]")
    #expect("\(Tensor<Double>([123_456_789, 1.5]))" == "[1.23456789e+08, 1.50000000e+00] float64[2]")
    #expect("\(Tensor<Double>([1e200, -1e-200]))" == "[ 1.0e+200, -1.0e-200] float64[2]")
    #expect("\(Tensor<Double>([999.9999999999, 1e6]))" == "[1.0e+03, 1.0e+06] float64[2]")
  }

  @Test func whatIsNotANumberIsNamed() {
    #expect("\(Tensor<Float>([.nan, .infinity, -.infinity, 1]))" == "[ nan,  inf, -inf,  1.0] float32[4]")
  }

  @Test func matricesHaveRowsAndBlocksAnEmptyLine() {
    #expect("\(Tensor<Float>([[1, 2], [3, 4]]))" == "[[1.0, 2.0],\n [3.0, 4.0]] float32[2, 2]")
    let cube = Tensor<Int32>((0..<8).map(Int32.init), shape: [2, 2, 2])
    #expect("\(cube)" == "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]] int32[2, 2, 2]")
  }

  @Test func largeTensorsAreSummarisedByTheirEdges() {
    let vector = Tensor<Int32>((0..<2000).map(Int32.init), shape: [2000])
    #expect("\(vector)" == "[   0,    1,    2, ..., 1997, 1998, 1999] int32[2000]")
    let matrix = Tensor<Int32>((0..<2000).map { Int32($0 % 10) }, shape: [500, 4])
    #expect(
      "\(matrix)" == """
        [[0, 1, 2, 3],
         [4, 5, 6, 7],
         [8, 9, 0, 1],
         ...,
         [8, 9, 0, 1],
         [2, 3, 4, 5],
         [6, 7, 8, 9]] int32[500, 4]
        """)
  }

  @Test func symbolsAndFailuresPrintWithoutATrap() {
    let symbol = Tensor<Float>(Graph.input("x", TensorType(.float32, [2, 3])))
    #expect("\(symbol)" == "symbol float32[2, 3]")
    #expect("\(symbol + 1)" == "symbol float32[2, 3]")
    #expect("\(Tensor<Float>(Graph.input("x", TensorType(.float32, []))))" == "symbol float32[]")
  }
}
