/// Numbers with a type and a shape that are known at run time only: what an array is in a file.
public struct StoredArray: Sendable, Hashable, CustomStringConvertible {
  /// A tensor's type: those that only files have are converted when they are read.
  public let dtype: DType
  public let shape: Shape
  /// The elements, little-endian, row-major.
  public let bytes: [UInt8]

  /// Element type and shape; `Tensor` prints numbers.
  public var description: String { "\(dtype)\(shape)" }

  /// Traps where the bytes are not those of the shape.
  public init(dtype: DType, shape: Shape, bytes: [UInt8]) {
    require(
      bytes.count == shape.count * dtype.byteCount,
      "StoredArray: \(bytes.count) bytes do not fill \(dtype)\(shape)")
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// The tensor's numbers. Evaluates it if nothing has yet; throws what a solve inside throws.
  public init<Scalar>(_ tensor: Tensor<Scalar>) throws {
    let storage = try evaluate([tensor.value])[0]
    let bytes = withExtendedLifetime(storage) {
      Array(UnsafeRawBufferPointer(start: storage.pointer, count: tensor.count * Scalar.dtype.byteCount))
    }
    self.init(dtype: Scalar.dtype, shape: tensor.shape, bytes: bytes)
  }

  /// The same numbers as a tensor. Throws `FileError` (`.mismatch`) where the elements are of another type:
  /// `converted(to:)` changes the type of a tensor, nothing does it silently.
  public func tensor<Scalar>(of type: Scalar.Type = Scalar.self) throws -> Tensor<Scalar> {
    guard dtype == Scalar.dtype else {
      throw FileError(.mismatch, in: "array", expected: "\(Scalar.dtype)", found: "\(dtype)\(shape)")
    }
    let storage = Storage(byteCount: bytes.count) { target in
      bytes.withUnsafeBytes { source in
        if let base = source.baseAddress { target.copyMemory(from: base, byteCount: source.count) }
      }
    }
    return Tensor(Graph.constant(storage, TensorType(dtype, shape)))
  }
}

/// An array and its name in a file.
public struct NamedArray: Sendable, Hashable {
  /// In an .npz a relative path without ".npy"; in safetensors anything but `__metadata__`.
  public var name: String
  public var array: StoredArray

  /// The name is checked when a file is made of it.
  public init(_ name: String, _ array: StoredArray) {
    self.name = name
    self.array = array
  }

  /// Evaluates the tensor if nothing has yet; throws what a solve inside throws.
  public init<Scalar>(_ name: String, _ tensor: Tensor<Scalar>) throws {
    self.init(name, try StoredArray(tensor))
  }
}

/// A file of several arrays with names.
public protocol NamedArrayFile {
  /// In the order of the file.
  var arrays: [NamedArray] { get }
}

extension NamedArrayFile {
  /// The first array of that name, nil where there is none.
  public subscript(name: String) -> StoredArray? { arrays.first { $0.name == name }?.array }

  /// The array of that name as a tensor. Throws `FileError` (`.mismatch`) where there is none, or none of that type.
  public func tensor<Scalar>(_ name: String, of type: Scalar.Type = Scalar.self) throws -> Tensor<Scalar> {
    guard let array = self[name] else {
      let names = arrays.prefix(16).map(\.name).joined(separator: ", ")
      throw FileError(
        .mismatch, in: "names", expected: "an array \(name)",
        found: arrays.isEmpty ? "none" : names + (arrays.count > 16 ? ", ..." : ""))
    }
    do { return try array.tensor() } catch var error as FileError {
      error.place = "array \(name)"
      throw error
    }
  }
}
