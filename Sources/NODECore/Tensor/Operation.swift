/// The closed set of primitives. Everything a user writes is composed of these; each has its shape rule in
/// `Operation+Shape.swift`, its derivatives in `Autodiff/Rules`, its lowering in `Compiler`, all by exhaustive
/// `switch`, so that a new one does not compile until it is complete.
///
/// Conventions: images are NHWC, filters HWIO. Operands of elementwise operations have equal shapes: broadcasting is
/// the explicit `.broadcast`. Masks are 0 or 1 in the operands' own type.
package enum Operation: Sendable {
  // Leaves
  /// A symbol: a placeholder that a trace introduced. It has no value of its own.
  case input(name: String)
  /// Data.
  case constant(Storage)
  /// One value in every element.
  case splat(Double)

  // Elementwise
  case elementwise(Elementwise)
  case convert(DType)
  /// Value of the operand, derivative zero.
  case stopGradient
  /// The operand itself; a distinct node to differentiate with respect to, while the scope is open where it has one.
  case identity(DerivativeScope?)

  // Structure
  /// Operand axis i becomes result axis axes[i] (strictly increasing); the operand's extent there is the result's or 1;
  /// other result axes are new.
  case broadcast(to: Shape, axes: [Int])
  case reshape(Shape)
  /// Result axis i is operand axis order[i].
  case permute([Int])
  /// Elements start[i], start[i] + step[i], ... below limit[i]; steps positive.
  case slice(start: [Int], limit: [Int], step: [Int])
  /// Zeros around (low, high >= 0) and between (interior >= 0) the elements.
  case pad(low: [Int], high: [Int], interior: [Int])
  case reverse(axes: [Int])
  case concatenate(axis: Int)
  /// Removes the axes.
  case reduce(Reduction, axes: [Int])

  // Indexing: operands table [entries, rest...], indices int32 [n...] -> [n..., rest...]
  case gather
  /// Operands rows [n..., rest...], indices int32 [n...] -> [entries, rest...]; duplicates add. The transpose of gather.
  case scatterAdd(entries: Int)

  /// Along the last axis: running sums, sorting, elements by index.
  case rowwise(RowOperation)

  // Linear algebra
  /// Batch axes lead and are equal. a: [b..., m, k] ([b..., k, m] when transposed), b: [b..., k, n] ([b..., n, k]).
  /// Either operand may also be a plain matrix (rank 2) under a batched other one: it is then shared by the batch.
  case matmul(transposeA: Bool, transposeB: Bool)
  /// Factorisations and solves; see `MatrixOperation` and `Value+Matrices.swift`.
  case matrix(MatrixOperation)
  /// Operands x [n, h, w, cin], filter [kh, kw, cin, cout] -> [n, oh, ow, cout].
  case conv2d(Convolution)
  /// Operands dy [n, oh, ow, cout], filter -> [n, h, w, cin].
  case conv2dInputGradient(Convolution)
  /// Operands x, dy -> [kh, kw, cin, cout].
  case conv2dFilterGradient(Convolution)

  // Fused: each equals its `definition` in the primitives above (Tensor/Fused.swift), which is also what is differentiated
  // where no special rule exists; the kernel is an optimisation.
  case fused(FusedOperation)

  /// Operand: key, int32 [2]. Element i depends on (key, i) only.
  case random(RandomDistribution, Shape, DType)

  /// Operations whose bodies are graphs (odeint, its gradient, ...): see StructuredOperation.
  case structured(any StructuredOperation)
}

package enum RandomDistribution: Sendable, Hashable { case uniform, normal }

/// Geometry of a two-dimensional convolution or its transposes; all extents fixed.
package struct Convolution: Sendable, Hashable {
  package var height: Int, width: Int, inputChannels: Int
  package var kernelHeight: Int, kernelWidth: Int, stride: Int
  package var padTop: Int, padLeft: Int, padBottom: Int, padRight: Int
  package var outputChannels: Int

  package init(
    height: Int, width: Int, inputChannels: Int, kernelHeight: Int, kernelWidth: Int, stride: Int,
    padTop: Int, padLeft: Int, padBottom: Int, padRight: Int, outputChannels: Int
  ) {
    self.height = height
    self.width = width
    self.inputChannels = inputChannels
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.stride = stride
    self.padTop = padTop
    self.padLeft = padLeft
    self.padBottom = padBottom
    self.padRight = padRight
    self.outputChannels = outputChannels
  }

  package var outputHeight: Int { (height + padTop + padBottom - kernelHeight) / stride + 1 }
  package var outputWidth: Int { (width + padLeft + padRight - kernelWidth) / stride + 1 }
}

/// Operations with a kernel of their own and a definition in primitives.
package enum FusedOperation: Sendable, Hashable {
  /// x [n, spatial..., c] -> normalised x, rstd [n, groups].
  case groupNorm(groups: Int, epsilon: Double)
  /// y, rstd, dy -> dx.
  case groupNormGradient(groups: Int)
  /// logits [rows..., classes], labels int32 [rows...] -> loss [rows...].
  case softmaxCrossEntropy
  /// logits, labels, dloss -> dlogits.
  case softmaxCrossEntropyGradient
  /// x [n, h, w, c] -> [n, oh, ow, c], no padding.
  case pool2d(maximum: Bool, size: Int, stride: Int)
  /// x, dy -> dx.
  case pool2dGradient(maximum: Bool, size: Int, stride: Int)
}

/// A primitive whose body is a graph. Conformers live below this layer (Sensitivity/); they bring their own
/// derivative rules, closed under differentiation, and their own lowering.
package protocol StructuredOperation: Sendable {
  var name: String { get }
  /// Types of the results for operands of these types. Checked when the node is made.
  func resultTypes(_ operands: [TensorType]) -> [TensorType]
  /// Tangents of the results (nil: identically zero), given the operands' tangents (nil: zero).
  func jvp(operands: [Value], results: [Value], tangents: [Value?]) -> [Value?]
  /// Cotangents of the operands (nil: zero), given the results' cotangents (nil: zero); only the wanted ones count.
  func vjp(operands: [Value], results: [Value], cotangents: [Value?], wanted: [Bool]) -> [Value?]
  /// Equal keys mean equal computations, for common-subexpression elimination; nil: never merged.
  var identity: AnyHashable? { get }
}
