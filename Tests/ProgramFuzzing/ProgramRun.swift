import NODECore

/// Runs a description on elements given in Double, with all of its memory poisoned first.
struct ProgramRun {
  let description: ProgramDescription
  let outputs: [[Double]]
  let bytes: [[UInt8]]

  init(
    _ inputs: [Value], _ outputs: [Value], _ elements: [[Double]], options: CompileOptions = CompileOptions(),
    threads: Int = 1
  ) throws {
    description = try BlockSize.minimumBytes.withValue(0) {
      try lower(inputs: inputs, outputs: outputs, options: options)
    }
    let image = try ProgramImage(description, inputs: inputs.count)
    let pool = threads > 1 ? ThreadPool(threads: threads) : nil
    let workspaceBytes = image.workspaceBytes(threads: threads)
    let workspace = UnsafeMutableRawPointer.allocate(byteCount: max(workspaceBytes, 64), alignment: 64)
    defer { workspace.deallocate() }
    // All ones are a NaN in every floating-point type.
    workspace.initializeMemory(as: UInt8.self, repeating: 0xFF, count: workspaceBytes)
    let storages = zip(inputs, elements).map { ProgramRun.storage($1, $0.dtype) }
    let results = outputs.map { value in
      Storage(byteCount: value.type.byteCount) {
        $0.initializeMemory(as: UInt8.self, repeating: 0xFF, count: value.type.byteCount)
      }
    }
    let arguments: [UnsafeMutableRawPointer?] = (storages + results).map(\.pointer)
    try withExtendedLifetime((storages, results)) {
      try arguments.withUnsafeBufferPointer {
        try image.run(arguments: $0.baseAddress!, workspace: workspace, pool: pool)
      }
    }
    self.outputs = zip(results, outputs).map { ProgramRun.elements($0, $1.type) }
    bytes = zip(results, outputs).map {
      Array(UnsafeRawBufferPointer(start: $0.pointer, count: $1.type.byteCount))
    }
  }

  static func storage(_ elements: [Double], _ dtype: DType) -> Storage {
    switch dtype {
    case .float32: Storage(elements.map { Float($0) })
    case .float64: Storage(elements)
    case .int32: Storage(elements.map { Int32($0) })
    }
  }

  static func elements(_ storage: Storage, _ type: TensorType) -> [Double] {
    switch type.dtype {
    case .float32: storage.array(of: Float.self, count: type.shape.count).map(Double.init)
    case .float64: storage.array(of: Double.self, count: type.shape.count)
    case .int32: storage.array(of: Int32.self, count: type.shape.count).map(Double.init)
    }
  }
}

/// The largest difference, relative to 1 where values are small.
func difference(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).map { x, y in
    x == y || x.isNaN && y.isNaN ? 0 : abs(x - y) / max(1, abs(y))
  }.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
}
