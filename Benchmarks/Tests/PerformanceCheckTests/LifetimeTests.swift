import Foundation
import PerformanceCheck
import Testing

@Suite struct LifetimeTests {
  @Test func aProcessIsWaitedFor() throws {
    let shell = URL(fileURLWithPath: "/bin/sh")
    let short = try #require(lifetime(of: shell, arguments: ["-c", "exit 0"]))
    let long = try #require(lifetime(of: shell, arguments: ["-c", "sleep 0.2"]))
    #expect(short > 0)
    #expect(long >= 0.2)
  }

  @Test func aProcessThatFailsHasNone() {
    #expect(lifetime(of: URL(fileURLWithPath: "/bin/sh"), arguments: ["-c", "exit 3"]) == nil)
    #expect(lifetime(of: URL(fileURLWithPath: "/nowhere/at/all")) == nil)
  }
}
