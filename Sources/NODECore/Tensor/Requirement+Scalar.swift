/// Stops where a positive setting is none in the element type: 1e-50 is 0 as a Float, 1e300 infinite.
func requirePositive<S: FloatingScalar>(
  _ operation: String, _ name: String, _ value: Double, in type: S.Type, file: StaticString = #fileID,
  line: UInt = #line
) {
  require(
    S(value) > 0 && S(value).isFinite,
    "\(operation): \(name) must be \(SettingRange.positive.rawValue) in \(type), got \(value)", file: file,
    line: line)
}
