/// One array in numpy's file format (numpy.lib.format, versions 1.0 to 3.0).
///
/// Read are float32, float64 and int32; float16 as float32; truth values and the other integers as int32 where each of
/// them fits; either byte order, either order of the axes. Written is version 1.0, little-endian, row-major.
/// Arrays of Python objects are pickles, that is programs: they are never read.
public struct NPY: Sendable, Hashable {
  /// Row-major, whatever the order in the file was.
  public var array: StoredArray

  public init(_ array: StoredArray) { self.array = array }

  /// Evaluates the tensor if nothing has yet; throws what a solve inside throws.
  public init<Scalar>(_ tensor: Tensor<Scalar>) throws { self.init(try StoredArray(tensor)) }

  /// Reads a file. Throws `FileError`.
  public init(contentsOf path: String) throws { self = try WholeFile.read(path) { try NPY($0) } }

  /// Reads a file's bytes. Throws `FileError`.
  public init(_ bytes: [UInt8]) throws { try self.init(bytes[...], place: "npy") }

  /// The numbers as a tensor. Throws `FileError` (`.mismatch`) where the elements are of another type.
  public func tensor<Scalar>(of type: Scalar.Type = Scalar.self) throws -> Tensor<Scalar> {
    try array.tensor()
  }

  /// Writes a file whole or not at all. Throws `FileError`.
  public func write(to path: String) throws { try WholeFile.write(encoded, to: path) }

  /// The file's bytes.
  public var encoded: [UInt8] {
    let header = NPYHeader(type: ElementType(array.dtype), isFortran: false, shape: array.shape.dimensions)
    return header.encoded + array.bytes
  }

  init(_ file: ArraySlice<UInt8>, place: String) throws {
    let (header, dataStart) = try NPYHeader.read(file, place: place)
    let size = header.type.byteCount
    // The header's shapes are countable in elements of 8 bytes.
    let needed = header.shape.reduce(size, *)
    let data = file[dataStart...]
    guard needed == data.count else {
      throw FileError(
        .malformed, in: "\(place): data",
        expected: "\(needed) bytes for the shape \(header.shape) of elements of \(size)",
        found: "\(data.count)")
    }
    let shape = Shape(header.shape)
    var bytes = try header.type.widened(data, isBigEndian: header.isBigEndian, place: "\(place): data")
    if header.isFortran, shape.rank > 1 {
      bytes =
        header.type.dtype.byteCount == 8
        ? rowMajor(bytes, UInt64.self, shape) : rowMajor(bytes, UInt32.self, shape)
    }
    array = StoredArray(dtype: header.type.dtype, shape: shape, bytes: bytes)
  }
}

/// Elements whose first axis is the fastest one, with the last one as the fastest.
private func rowMajor<Element: FixedWidthInteger & BitwiseCopyable>(
  _ bytes: [UInt8], _ type: Element.Type, _ shape: Shape
) -> [UInt8] {
  let size = MemoryLayout<Element>.size
  let extents = shape.dimensions
  var strides = [Int](repeating: 1, count: shape.rank)
  for axis in 1..<shape.rank { strides[axis] = strides[axis - 1] * extents[axis - 1] }
  return [UInt8](unsafeUninitializedCapacity: bytes.count) { target, filled in
    bytes.withUnsafeBytes { source in
      var index = [Int](repeating: 0, count: extents.count)
      var from = 0
      for to in 0..<bytes.count / size {
        let element = source.loadUnaligned(fromByteOffset: from * size, as: Element.self)
        UnsafeMutableRawBufferPointer(target).storeBytes(
          of: element, toByteOffset: to * size, as: Element.self)
        var axis = extents.count - 1
        while axis >= 0 {
          index[axis] += 1
          from += strides[axis]
          if index[axis] < extents[axis] { break }
          from -= strides[axis] * extents[axis]
          index[axis] = 0
          axis -= 1
        }
      }
    }
    filled = bytes.count
  }
}
