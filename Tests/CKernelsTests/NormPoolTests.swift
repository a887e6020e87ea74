import CKernels
import Foundation
import Testing

struct NormPoolTests {
  private static let pools: [(h: Int32, w: Int32, channels: Int32, kh: Int32, kw: Int32, stride: Int32)] = [
    (6, 6, 64, 6, 6, 1), (6, 6, 5, 2, 2, 2), (7, 5, 33, 3, 2, 2), (5, 5, 8, 3, 3, 1), (4, 6, 1, 1, 1, 3),
    (1, 3, 17, 1, 3, 1),
  ]

  @Test(arguments: KernelCase.all) func poolingFollowsTheDefinition(_ test: KernelCase) {
    var generator = SeededGenerator(state: 9)
    let images = 3
    for (h, w, channels, kh, kw, stride) in Self.pools {
      for isMax in [0, 1] as [Int32] {
        var g = nk_pool2d(
          h: h, w: w, channels: channels, kh: kh, kw: kw, stride: stride, oh: (h - kh) / stride + 1,
          ow: (w - kw) / stride + 1, max: isMax)
        let x = Operand(random: images * Int(h * w * channels), test.dtype, using: &generator)
        for i in 0..<x.count { x[i] = (2 * x[i]).rounded() }  // five values: ties in nearly every window
        let dy = Operand(random: images * Int(g.oh * g.ow * channels), test.dtype, using: &generator)
        let (y, dx) = (Operand(dy.count, test.dtype), Operand(x.count, test.dtype))
        withExtendedLifetime((x, y, dy, dx)) {
          test.kernels.pool(&g, x.raw, y.raw, Int64(images))
          test.kernels.pool_gradient(&g, isMax == 1 ? x.raw : nil, dy.raw, dx.raw, Int64(images))
        }

        var (exactY, exactDX) = (
          [Double](repeating: 0, count: y.count), [Double](repeating: 0, count: x.count)
        )
        for o in 0..<y.count {
          let (c, ox) = (o % Int(channels), o / Int(channels) % Int(g.ow))
          let (oy, image) = (o / Int(channels * g.ow) % Int(g.oh), o / Int(channels * g.ow * g.oh))
          let window = (0..<Int(kh * kw)).map { tap in
            let (iy, ix) = (oy * Int(stride) + tap / Int(kw), ox * Int(stride) + tap % Int(kw))
            return ((image * Int(h) + iy) * Int(w) + ix) * Int(channels) + c
          }
          if isMax == 1 {
            let largest = window.map { x[$0] }.max()!
            exactY[o] = largest
            exactDX[window.first { x[$0] == largest }!] += dy[o]
          } else {
            exactY[o] = window.reduce(0) { $0 + x[$1] } / Double(window.count)
            for at in window { exactDX[at] += dy[o] / Double(window.count) }
          }
        }
        let forward = disagreement(y, Operand(exactY, test.dtype)) { _ in
          isMax == 1 ? 0 : Double(kh * kw) * test.epsilon * 2
        }
        #expect(forward == nil, "\(g): \(forward ?? "")")
        let backward = disagreement(dx, Operand(exactDX, test.dtype)) { _ in
          Double(kh * kw) * 2 * test.epsilon
        }
        #expect(backward == nil, "gradient \(g): \(backward ?? "")")
      }
    }
  }

  @Test(arguments: KernelCase.all) func maximaPropagateNaN(_ test: KernelCase) {
    var g = nk_pool2d(h: 2, w: 2, channels: 3, kh: 2, kw: 2, stride: 1, oh: 1, ow: 1, max: 1)
    let x = Operand([1, 5, 3, 2, .nan, 9, .nan, 7, 4, 8, 6, 5], test.dtype)
    let (y, dy) = (Operand(3, test.dtype), Operand([1, 2, 3], test.dtype))
    let dx = Operand(x.count, test.dtype)
    withExtendedLifetime((x, y, dy, dx)) {
      test.kernels.pool(&g, x.raw, y.raw, 1)
      test.kernels.pool_gradient(&g, x.raw, dy.raw, dx.raw, 1)
    }
    #expect(y[0].isNaN && y[1].isNaN && y[2] == 9)
    #expect(dx.values == [0, 0, 0, 0, 2, 3, 1, 0, 0, 0, 0, 0])
  }

  /// (positions, channels, groups): the networks' own, narrow, wide, and groups beyond what is handled at once.
  private static let norms = [
    (36, 64, 32), (1, 16, 4), (49, 12, 12), (10, 30, 1), (5, 21, 7), (3, 700, 350), (4, 900, 3), (17, 8, 2),
  ]

  @Test(arguments: KernelCase.all) func groupNormFollowsTheDefinition(_ test: KernelCase) {
    var generator = SeededGenerator(state: 10)
    let (images, eps) = (2, 1e-5)
    for (positions, channels, groups) in Self.norms {
      let width = channels / groups
      let count = images * positions * channels
      // A mean far from zero: a one-pass variance would lose most of its digits.
      let x = Operand(random: count, test.dtype, in: 20...22, using: &generator)
      let dy = Operand(random: count, test.dtype, using: &generator)
      let (y, dx) = (Operand(count, test.dtype), Operand(count, test.dtype))
      let rstd = Operand(images * groups, test.dtype)
      let sizes = (Int64(images), Int64(positions), Int64(channels), Int64(groups))
      withExtendedLifetime((x, y, rstd, dy, dx)) {
        test.kernels.group_norm(x.raw, y.raw, rstd.raw, sizes.0, sizes.1, sizes.2, sizes.3, eps)
        test.kernels.group_norm_gradient(y.raw, rstd.raw, dy.raw, dx.raw, sizes.0, sizes.1, sizes.2, sizes.3)
      }
      let (exactY, exactDX) = (Operand(count, test.dtype), Operand(count, test.dtype))
      let exactRstd = Operand(images * groups, test.dtype)
      for group in 0..<images * groups {
        let (image, first) = (group / groups, group % groups * width)
        let members = (0..<positions * width).map {
          (image * positions + $0 / width) * channels + first + $0 % width
        }
        func mean(_ value: (Int) -> Double) -> Double {
          members.reduce(0) { $0 + value($1) } / Double(members.count)
        }
        let centre = mean { x[$0] }
        let scale = 1 / (mean { (x[$0] - centre) * (x[$0] - centre) } + eps).squareRoot()
        exactRstd[group] = scale
        for i in members { exactY[i] = (x[i] - centre) * scale }
        let (m1, m2) = (mean { dy[$0] }, mean { dy[$0] * y[$0] })
        for i in members { exactDX[i] = rstd[group] * (dy[i] - m1 - y[i] * m2) }
      }
      // Means of `terms` numbers of size 22, times the largest rstd there is.
      let terms = Double(positions * width + 8)
      let largest = exactRstd.values.max()!
      let shape = "positions \(positions), channels \(channels), groups \(groups)"
      let forward = disagreement(y, exactY) { _ in (64 + 2 * terms.squareRoot()) * 22 * test.epsilon * largest
      }
      #expect(forward == nil, "\(shape): \(forward ?? "")")
      let scales = disagreement(rstd, exactRstd) {
        // A group of one element has no variance: rstd is 1/sqrt(eps) exactly.
        (16 + terms) * test.epsilon * exactRstd[$0]
      }
      #expect(scales == nil, "rstd, \(shape): \(scales ?? "")")
      let backward = disagreement(dx, exactDX) { i in
        (16 + terms) * test.epsilon * rstd[i / channels / positions * groups + i % channels / width]
          * (2 + abs(y[i]))
      }
      #expect(backward == nil, "gradient, \(shape): \(backward ?? "")")
    }
  }

  @Test(arguments: KernelCase.all) func anImageIsNormalisedAlone(_ test: KernelCase) {
    var generator = SeededGenerator(state: 11)
    for (positions, channels, groups) in Self.norms {
      let one = positions * channels
      let x = Operand(random: 3 * one, test.dtype, using: &generator)
      let (y, alone) = (Operand(3 * one, test.dtype), Operand(one, test.dtype))
      let sizes = (Int64(positions), Int64(channels), Int64(groups))
      withExtendedLifetime((x, y, alone)) {
        test.kernels.group_norm(x.raw, y.raw, nil, 3, sizes.0, sizes.1, sizes.2, 1e-5)
        test.kernels.group_norm(x.at(2 * one), alone.raw, nil, 1, sizes.0, sizes.1, sizes.2, 1e-5)
      }
      #expect((0..<one).allSatisfy { alone[$0] == y[2 * one + $0] })
    }
  }

  @Test(arguments: KernelCase.all) func softmaxCrossEntropyFollowsTheDefinition(_ test: KernelCase) {
    var generator = SeededGenerator(state: 12)
    let rows = 5
    for classes in 1...35 {
      let x = Operand(random: rows * classes, test.dtype, in: -30...30, using: &generator)
      let dy = Operand(random: rows, test.dtype, using: &generator)
      let labels = (0..<rows).map { _ in Int32.random(in: 0..<Int32(classes), using: &generator) }
      let (loss, dx) = (Operand(rows, test.dtype), Operand(x.count, test.dtype))
      withExtendedLifetime((x, loss, dy, dx)) {
        test.kernels.softmax_cross_entropy(x.raw, labels, loss.raw, Int64(rows), Int64(classes))
        test.kernels.softmax_cross_entropy_gradient(
          x.raw, labels, dy.raw, dx.raw, Int64(rows), Int64(classes))
      }
      #expect(loss.guardIsIntact && dx.guardIsIntact)
      for row in 0..<rows {
        let scores = (0..<classes).map { x[row * classes + $0] }
        let top = scores.max()!
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        let exactLoss = log(sum) + top - scores[Int(labels[row])]
        #expect(abs(loss[row] - exactLoss) <= 4 * test.epsilon * (60 + exactLoss))
        for j in 0..<classes {
          let exact = dy[row] * (weights[j] / sum - (j == Int(labels[row]) ? 1 : 0))
          #expect(abs(dx[row * classes + j] - exact) <= 40 * test.epsilon)
        }
      }
    }
  }

  @Test(arguments: KernelCase.all) func softmaxCrossEntropyIsStableAndRejectsLabels(_ test: KernelCase) {
    let x = Operand([1000, 0, -1000, 1e30, 0, 0, 1, 2, 3, 1, 2, 3], test.dtype)
    let labels: [Int32] = [1, 0, 3, -1]
    let dy = Operand([1, 1, 1, 1], test.dtype)
    let (loss, dx) = (Operand(4, test.dtype), Operand(12, test.dtype))
    withExtendedLifetime((x, loss, dy, dx)) {
      test.kernels.softmax_cross_entropy(x.raw, labels, loss.raw, 4, 3)
      test.kernels.softmax_cross_entropy_gradient(x.raw, labels, dy.raw, dx.raw, 4, 3)
    }
    #expect(loss[0] == 1000 && loss[1] == 0 && loss[2].isNaN && loss[3].isNaN)
    #expect(dx.values[0..<6] == [1, -1, 0, 0, 0, 0])
    #expect(dx.values[6...].allSatisfy { $0.isNaN })
  }
}
