import CKernels
import Testing

/// Geometries: the networks' own, borders wider than the image, strides with and without remainder, one channel,
/// more channels than a block of k, kernels larger than the image.
private let geometries: [nk_conv] = [
  conv(h: 6, w: 6, cin: 12, k: 3, stride: 1, pad: 1, cout: 12),
  conv(h: 7, w: 5, cin: 5, k: 4, stride: 2, pad: 1, cout: 33),
  conv(h: 13, w: 13, cin: 8, k: 4, stride: 2, pad: 1, cout: 9),
  conv(h: 9, w: 10, cin: 1, k: 3, stride: 1, pad: 0, cout: 17),
  conv(h: 9, w: 8, cin: 3, k: 3, stride: 2, pad: 1, cout: 6),
  conv(h: 8, w: 7, cin: 6, k: 2, stride: 3, pad: 0, cout: 7),
  conv(h: 5, w: 5, cin: 7, k: 1, stride: 1, pad: 0, cout: 65),
  conv(h: 5, w: 4, cin: 6, k: 1, stride: 3, pad: 0, cout: 5),
  conv(h: 2, w: 3, cin: 5, k: 5, stride: 1, pad: 2, cout: 4),
  conv(h: 1, w: 1, cin: 9, k: 3, stride: 1, pad: 1, cout: 8),
  conv(h: 3, w: 3, cin: 5, k: 2, stride: 1, pad: 3, cout: 6),  // outputs that read padding only
  conv(h: 4, w: 4, cin: 300, k: 3, stride: 1, pad: 1, cout: 10),
  conv(h: 20, w: 19, cin: 5, k: 3, stride: 1, pad: 1, cout: 4),  // more positions than a block of them
  conv(h: 3, w: 300, cin: 5, k: 2, stride: 1, pad: 0, cout: 3),  // a row longer than a block
]

private func conv(h: Int32, w: Int32, cin: Int32, k: Int32, stride: Int32, pad: Int32, cout: Int32) -> nk_conv
{
  nk_conv(
    h: h, w: w, cin: cin, kh: k, kw: k, stride: stride, pad_top: pad, pad_left: pad,
    oh: (h + 2 * pad - k) / stride + 1, ow: (w + 2 * pad - k) / stride + 1, cout: cout)
}

struct ConvTests {
  @Test(arguments: KernelCase.vector) func agreesWithTheReference(_ test: KernelCase) {
    var generator = SeededGenerator(state: 5)
    for geometry in geometries {
      for images in [1, 3, 7] {
        let p = ConvProblem(geometry, images: images, test.dtype, &generator)
        let size = p.magnitudes
        func check(_ what: String, _ terms: Int, _ size: Operand, _ run: (nk_kernels) -> Operand) {
          let problem = disagreement(run(test.kernels), run(test.reference)) {
            Double(terms + 3) * test.epsilon * size[$0]
          }
          #expect(problem == nil, "\(what) \(geometry) images \(images): \(problem ?? "")")
        }
        let taps = Int(geometry.kh * geometry.kw)
        let relu = Int32(Elementwise.relu.rawValue)
        check("forward", taps * Int(geometry.cin), size.forward(test.reference)) { p.forward($0) }
        check("relu", taps * Int(geometry.cin), size.forward(test.reference)) { p.forward($0, act: relu) }
        check("input gradient", taps * Int(geometry.cout), size.inputGradient(test.reference)) {
          p.inputGradient($0)
        }
        for accumulate in [0, 1] as [Int32] {
          check("filter gradient", p.dy.count, size.filterGradient(test.reference, 1)) {
            p.filterGradient($0, accumulate)
          }
        }
      }
    }
  }

  @Test(arguments: KernelCase.all) func transposesAreDual(_ test: KernelCase) {
    var generator = SeededGenerator(state: 6)
    for geometry in geometries {
      let p = ConvProblem(geometry, images: 2, test.dtype, &generator)
      let forward = inner(p.forward(test.kernels, bias: false), p.dy)
      let input = inner(p.x, p.inputGradient(test.kernels))
      let filter = inner(p.w, p.filterGradient(test.kernels, 0)) / ConvProblem.scale
      let size = inner(p.magnitudes.forward(test.reference, bias: false), p.magnitudes.dy)
      let bound = 20 * test.epsilon * size
      #expect(abs(forward - input) <= bound, "input gradient \(geometry)")
      #expect(abs(forward - filter) <= bound, "filter gradient \(geometry)")
    }
  }

  @Test(arguments: KernelCase.all) func forwardFollowsTheDefinition(_ test: KernelCase) {
    var generator = SeededGenerator(state: 7)
    for g in geometries where g.cin < 100 {
      let p = ConvProblem(g, images: 1, test.dtype, &generator)
      let (y, size) = (p.forward(test.kernels), p.magnitudes.forward(test.reference))
      for oy in 0..<g.oh {
        for ox in 0..<g.ow {
          for co in 0..<g.cout {
            var exact = p.bias[Int(co)]
            for ky in 0..<g.kh {
              for kx in 0..<g.kw {
                let (iy, ix) = (oy * g.stride + ky - g.pad_top, ox * g.stride + kx - g.pad_left)
                guard (0..<g.h).contains(iy), (0..<g.w).contains(ix) else { continue }
                for ci in 0..<g.cin {
                  exact +=
                    p.x[Int((iy * g.w + ix) * g.cin + ci)]
                    * p.w[Int(((ky * g.kw + kx) * g.cin + ci) * g.cout + co)]
                }
              }
            }
            let at = Int((oy * g.ow + ox) * g.cout + co)
            let bound = Double(g.kh * g.kw * g.cin + 3) * test.epsilon * size[at]
            #expect(abs(y[at] - exact) <= bound)
          }
        }
      }
    }
  }

  @Test(arguments: KernelCase.all) func anImageDoesNotDependOnItsCompany(_ test: KernelCase) {
    var generator = SeededGenerator(state: 8)
    for geometry in geometries {
      let p = ConvProblem(geometry, images: 11, test.dtype, &generator)
      let (y, dx) = (p.forward(test.kernels), p.inputGradient(test.kernels))
      for image in [0, 4, 10] {
        let alone = ConvProblem(p, image: image)
        let (y1, dx1) = (alone.forward(test.kernels), alone.inputGradient(test.kernels))
        #expect(
          (0..<y1.count).allSatisfy { y1[$0] == y[image * y1.count + $0] }, "image \(image) of \(geometry)")
        #expect((0..<dx1.count).allSatisfy { dx1[$0] == dx[image * dx1.count + $0] })
      }
    }
  }
}

private struct ConvProblem {
  static let scale = 0.5
  let g: nk_conv
  let images: Int
  let x, w, bias, dy, before: Operand

  init(_ g: nk_conv, images: Int, _ dtype: nk_dtype, _ generator: inout SeededGenerator) {
    self.g = g
    self.images = images
    x = Operand(random: images * Int(g.h * g.w * g.cin), dtype, using: &generator)
    w = Operand(random: Int(g.kh * g.kw * g.cin * g.cout), dtype, using: &generator)
    bias = Operand(random: Int(g.cout), dtype, using: &generator)
    dy = Operand(random: images * Int(g.oh * g.ow * g.cout), dtype, using: &generator)
    before = Operand(random: w.count, dtype, using: &generator)
  }

  private init(_ g: nk_conv, images: Int, x: Operand, w: Operand, bias: Operand, dy: Operand, before: Operand)
  {
    (self.g, self.images, self.x, self.w, self.bias, self.dy, self.before) = (
      g, images, x, w, bias, dy, before
    )
  }

  /// One image of another problem.
  init(_ p: ConvProblem, image: Int) {
    func part(_ all: Operand) -> Operand {
      let count = all.count / p.images
      return Operand((0..<count).map { all[image * count + $0] }, all.dtype)
    }
    self.init(p.g, images: 1, x: part(p.x), w: p.w, bias: p.bias, dy: part(p.dy), before: p.before)
  }

  var magnitudes: ConvProblem {
    ConvProblem(
      g, images: images, x: x.magnitudes, w: w.magnitudes, bias: bias.magnitudes, dy: dy.magnitudes,
      before: before.magnitudes)
  }

  private func packed(_ kernels: nk_kernels, transposed: Bool) -> Operand {
    var g = g
    let (k, n) = (Int64(g.kh * g.kw * (transposed ? g.cout : g.cin)), Int64(transposed ? g.cin : g.cout))
    let packed = Operand(bytes: kernels.packed_bytes(k, n), x.dtype)
    withExtendedLifetime((self, packed)) {
      kernels.pack(transposed ? .NK_PACK_CONV_TRANSPOSED : .NK_PACK_CONV, w.raw, packed.raw, k, n, &g)
    }
    #expect(packed.guardIsIntact)
    return packed
  }

  /// Calls body(geometry, scratch) while this problem, `operand` and `result` are alive.
  private func withScratch(
    _ kernels: nk_kernels, _ operand: Operand, _ result: Operand,
    _ body: (UnsafePointer<nk_conv>, UnsafeMutableRawPointer) -> Void
  ) {
    var g = g
    let scratch = Operand(bytes: kernels.conv_scratch(&g, Int64(images)), x.dtype)
    withExtendedLifetime((self, operand, result, scratch)) { body(&g, scratch.raw) }
    #expect(scratch.guardIsIntact)
  }

  func forward(_ kernels: nk_kernels, act: Int32 = -1, bias: Bool = true) -> Operand {
    let (y, packed) = (Operand(dy.count, x.dtype), packed(kernels, transposed: false))
    withScratch(kernels, packed, y) {
      kernels.conv($0, x.raw, packed.raw, bias ? self.bias.raw : nil, y.raw, Int64(images), act, $1)
    }
    return y
  }

  func inputGradient(_ kernels: nk_kernels) -> Operand {
    let (dx, packed) = (Operand(x.count, x.dtype), packed(kernels, transposed: true))
    withScratch(kernels, packed, dx) {
      kernels.conv_input_gradient($0, dy.raw, packed.raw, dx.raw, Int64(images), $1)
    }
    return dx
  }

  func filterGradient(_ kernels: nk_kernels, _ accumulate: Int32) -> Operand {
    let dw = before.copy
    withScratch(kernels, dy, dw) {
      kernels.conv_filter_gradient($0, x.raw, dy.raw, dw.raw, Int64(images), Self.scale, accumulate, $1)
    }
    return dw
  }
}
