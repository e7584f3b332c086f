/// Where the configuration of rclone is.
package enum ConfigLocation: Sendable, Equatable {
  case file(String)
  /// Asked for with an empty name: there is no file, remotes come from the environment.
  case memory

  /// The place in which rclone looks: the option, `RCLONE_CONFIG`, then the first that exists of
  /// `rclone.conf` beside the executable, in `$XDG_CONFIG_HOME/rclone`, in `~/.config/rclone`, and
  /// `~/.rclone.conf`. When none exists, where rclone would make one.
  ///
  /// `home` is that of the user's entry in the user database, for an environment without `HOME`.
  package static func find(
    option: String?, environment: [String: String], executableFolder: String?, home: String?,
    exists: (String) -> Bool
  ) -> ConfigLocation {
    if let path = option ?? environment["RCLONE_CONFIG"] {
      return path.isEmpty ? .memory : .file(path)
    }
    let home = nonempty(environment["HOME"]) ?? nonempty(home)
    let asked = nonempty(environment["XDG_CONFIG_HOME"]).map { "\($0)/rclone/rclone.conf" }
    let usual = home.map { "\($0)/.config/rclone/rclone.conf" }
    let hidden = home.map { "\($0)/.rclone.conf" }
    let beside = nonempty(executableFolder).map { "\($0)/rclone.conf" }
    for case let path? in [beside, asked, usual, hidden] where exists(path) { return .file(path) }
    return .file(asked ?? usual ?? ".rclone.conf")
  }

  private static func nonempty(_ text: String?) -> String? {
    text.flatMap { $0.isEmpty ? nil : $0 }
  }
}
