@testable import NODECore

/// y' = a y, component by component: a density of independent normals, y(0) = z exp(-a).
struct ScalingField: VectorField {
  var a: Tensor<Double>
  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> { y * a }
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("a", &a) }
}
