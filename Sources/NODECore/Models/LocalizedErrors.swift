import Foundation

// What `localizedDescription` says, which is all that some user interfaces show: the same as in print.

extension SolveError: LocalizedError { public var errorDescription: String? { description } }
extension CompileError: LocalizedError { public var errorDescription: String? { description } }
extension FileError: LocalizedError { public var errorDescription: String? { description } }
extension CheckpointError: LocalizedError { public var errorDescription: String? { description } }
extension MNISTError: LocalizedError { public var errorDescription: String? { description } }
extension TransportError: LocalizedError { public var errorDescription: String? { description } }
extension GradientMismatch: LocalizedError { public var errorDescription: String? { description } }
extension UnavailableInstructionSet: LocalizedError { public var errorDescription: String? { description } }
