import ArgumentParser

struct PhysicsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "physics",
    abstract: "Models of physics and of continuous depth on the tasks of their papers.",
    discussion: """
      Every experiment trains over several seeds, tells the median and the range of each figure beside the published \
      one, and writes a table, JSON and pictures.
      """,
    subcommands: [
      NodeCommand.self, HNNCommand.self, LagrangianCommand.self, UDECommand.self, VINCommand.self,
    ])
}
