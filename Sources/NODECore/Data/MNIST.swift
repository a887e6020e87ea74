import Foundation

/// Why files are not MNIST.
public enum MNISTError: Error, CustomStringConvertible {
  /// Not IDX, or gzip that was not decompressed.
  case unreadable(file: String, why: any Error)
  /// `found`: the SHA-256 of the file, uncompressed, in hexadecimal.
  case wrongChecksum(file: String, found: String)
  /// Images that have not three extents, or labels that are not one for each image.
  case wrongShape(file: String, dimensions: [Int])
  /// A label above 9.
  case badLabel(file: String, UInt8)

  public var description: String {
    switch self {
    case .unreadable(let file, let why): "\(file): \(why)"
    case .wrongChecksum(let file, let found):
      "\(file): its content is damaged or not MNIST (SHA-256 \(found.prefix(16))... is not the known one)"
    case .wrongShape(let file, let dimensions): "\(file): extents \(dimensions) are not those of MNIST"
    case .badLabel(let file, let label): "\(file): the label \(label) is not a digit"
    }
  }
}

/// The handwritten digits of LeCun, Cortes and Burges: 60,000 and 10,000 images of 28 x 28.
public struct MNIST: Sendable {
  /// Of the first two files; labels are 0...9.
  public let train: ImageDataset
  /// Of the last two files; labels are 0...9.
  public let test: ImageDataset

  /// Names of the four files, in the order of `init(files:)`.
  public static let fileNames = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
  ]
  /// SHA-256 of the uncompressed files. (Compressed files differ with the tool that made them.)
  public static let checksums = [
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
  ]

  /// Reads the bytes of the four files (order of `fileNames`).
  /// - Parameters:
  ///   - decompressor: applied to files that start like gzip.
  ///   - verifiesChecksums: off for files in the same format with other content.
  /// - Throws: `MNISTError`.
  public init(
    files: [[UInt8]], decompressor: (([UInt8]) throws -> [UInt8])? = nil, verifiesChecksums: Bool = true
  ) throws {
    require(files.count == 4, "MNIST: four files are needed, got \(files.count)")
    let arrays = try files.indices.map { i -> IDXArray in
      let name = MNIST.fileNames[i]
      let array: IDXArray
      do { array = try IDXArray(files[i], decompressor: decompressor) } catch {
        throw MNISTError.unreadable(file: name, why: error)
      }
      if verifiesChecksums {
        let digest = SHA256.hexDigest(of: array.encoded)
        guard digest == MNIST.checksums[i] else { throw MNISTError.wrongChecksum(file: name, found: digest) }
      }
      return array
    }
    func dataset(_ images: Int, _ labels: Int) throws -> ImageDataset {
      guard arrays[images].dimensions.count == 3 else {
        throw MNISTError.wrongShape(file: MNIST.fileNames[images], dimensions: arrays[images].dimensions)
      }
      guard arrays[labels].dimensions == [arrays[images].dimensions[0]] else {
        throw MNISTError.wrongShape(file: MNIST.fileNames[labels], dimensions: arrays[labels].dimensions)
      }
      if let label = arrays[labels].elements.first(where: { $0 > 9 }) {
        throw MNISTError.badLabel(file: MNIST.fileNames[labels], label)
      }
      return ImageDataset(
        pixels: arrays[images].elements, height: arrays[images].dimensions[1],
        width: arrays[images].dimensions[2],
        labels: arrays[labels].elements.map(Int32.init))
    }
    train = try dataset(0, 1)
    test = try dataset(2, 3)
  }
}

extension MNISTError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
