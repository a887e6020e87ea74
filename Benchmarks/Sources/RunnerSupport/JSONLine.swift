import Foundation

/// One line of JSON on standard output, names in snake case as the peers' scripts write them.
public func printJSONLine(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
  fflush(nil)
}
