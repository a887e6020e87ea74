extension Solution {
  /// |reconstruction - y0| / |y0| in the Euclidean norm over all elements; below 1e-2 is the usual demand. Where y0 is zero it is
  /// relative to the largest state at the save times. Throws what the solve in either direction threw.
  public func reconstructionError() throws -> Double {
    let start = inputs.y0.converted(to: .float64)
    let difference = reconstruction().value.converted(to: .float64) - start
    let all = states.value.converted(to: .float64)
    let squares = all.map(.square).sum(axes: Array(all.shape.dimensions.indices.dropFirst()))
    let numbers = try evaluate([squaredSum(difference), squares])
    let error = numbers[0].array(of: Double.self, count: 1)[0].squareRoot()
    let norms = numbers[1].array(of: Double.self, count: states.shape[0]).map { $0.squareRoot() }
    return error == 0 ? 0 : error / (norms[0] > 0 ? norms[0] : norms.max()!)
  }
}

private func squaredSum(_ x: Value) -> Value { x.map(.square).sum(axes: Array(x.shape.dimensions.indices)) }
