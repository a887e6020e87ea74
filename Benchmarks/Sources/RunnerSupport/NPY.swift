import Foundation

/// Writes an array as a file of numpy's format 1.0 (little-endian, row-major). `Element` is Float, Double or Int32.
public func writeNPY<Element>(_ elements: [Element], shape: [Int], to path: String) throws {
  precondition(
    elements.count == shape.reduce(1, *),
    "writeNPY: \(elements.count) elements do not fill the shape \(shape)")
  let kind: String
  switch Element.self {
  case is Float.Type: kind = "<f4"
  case is Double.Type: kind = "<f8"
  case is Int32.Type: kind = "<i4"
  default: preconditionFailure("writeNPY: elements of \(Element.self) have no name in numpy here")
  }
  let extents = shape.map { "\($0)," }.joined(separator: " ")
  var header = "{'descr': '\(kind)', 'fortran_order': False, 'shape': (\(extents)), }"
  // The data starts at a multiple of 64 bytes; the header ends with a line feed.
  let padding = 64 - (10 + header.utf8.count + 1) % 64
  header += String(repeating: " ", count: padding % 64) + "\n"
  var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
  withUnsafeBytes(of: UInt16(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
  data.append(contentsOf: header.utf8)
  elements.withUnsafeBytes { data.append(contentsOf: $0) }
  try data.write(to: URL(fileURLWithPath: path), options: .atomic)
}
