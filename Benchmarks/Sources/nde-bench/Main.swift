import ArgumentParser

@main
struct NDEBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nde-bench",
    abstract: "Benchmarks of neural differential equations on CPUs.",
    subcommands: [
      OdenetVsResnet.self, DensityCommand.self, PhysicsCommand.self, Workloads.self, Latency.self,
      Growth.self,
      PerfCheck.self, PerfBaseline.self,
      PerfMeasure.self, PerfCount.self,
    ])
}
