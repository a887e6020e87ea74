extension Solution {
  /// |reconstruction - y0| / |y0| in the Euclidean norm over all elements; below 1e-2 is the usual demand.
  /// Throws what the solve in either direction threw.
  public func reconstructionError() throws -> Double {
    let start = inputs.y0.converted(to: .float64)
    let difference = reconstruction().value.converted(to: .float64) - start
    let norms = try evaluate([squaredSum(difference), squaredSum(start)]).map {
      $0.array(of: Double.self, count: 1)[0].squareRoot()
    }
    return norms[0] == 0 ? 0 : norms[0] / norms[1]
  }
}

private func squaredSum(_ x: Value) -> Value { x.map(.square).sum(axes: Array(x.shape.dimensions.indices)) }
