import Foundation

/// Finds and unpacks the four MNIST files. Parsing them is the library's.
public struct MNISTFiles: Sendable {
  public enum Failure: Error, CustomStringConvertible {
    case notFound(folder: String, missing: [String])
    case unreadable(path: String, why: String)

    public var description: String {
      switch self {
      case .notFound(let folder, let missing):
        (missing.count == MNISTFiles.names.count
          ? "no MNIST in \(folder)" : "MNIST in \(folder) is incomplete")
          + ": \(missing.joined(separator: ", ")) missing (with or without .gz); `make mnist` downloads it"
      case .unreadable(let path, let why): "\(path) cannot be read: \(why)"
      }
    }
  }

  public static let names = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
  ]

  public let folder: String
  private let paths: [String]

  /// The files of one folder.
  public init(folder: String) throws {
    self.folder = folder
    var paths: [String] = [], missing: [String] = []
    for name in Self.names {
      let plain = folder + "/" + name
      if let path = [plain + ".gz", plain].first(where: FileManager.default.fileExists(atPath:)) {
        paths.append(path)
      } else {
        missing.append(name)
      }
    }
    guard missing.isEmpty else { throw Failure.notFound(folder: folder, missing: missing) }
    self.paths = paths
  }

  /// A folder that the user named must hold the files; the usual places may have none of them, but not only some.
  ///
  /// Order: the option, the environment variable MNIST_DIR, data/mnist and ../shared/data/mnist beside the package.
  /// - Returns: nil when no place was named and none has the data.
  public static func find(option: String?, environment: [String: String], package: String) throws
    -> MNISTFiles?
  {
    if let named = option ?? environment["MNIST_DIR"] { return try MNISTFiles(folder: named) }
    for place in ["data/mnist", "../shared/data/mnist"] {
      do { return try MNISTFiles(folder: package + "/" + place) } catch Failure.notFound(_, let missing)
        where missing.count == names.count
      {}
    }
    return nil
  }

  /// The unpacked bytes of the four files, in the order of `names`.
  public func contents() throws -> [[UInt8]] {
    try paths.map { path in
      do { return try gunzip([UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))) } catch {
        let why = (error as? GzipError).map(String.init(describing:)) ?? error.localizedDescription
        throw Failure.unreadable(path: path, why: why)
      }
    }
  }
}
