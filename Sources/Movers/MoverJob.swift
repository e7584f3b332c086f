package import Platform

/// The document on a mover's job descriptor: which engine, its job, and the lock to hold meanwhile.
package struct MoverJob: Sendable {
  /// The name of the section, such as `rsyncTLS`.
  package var section: String
  package var lockPath: String?
  package var job: JSONObject

  package init(section: String, lockPath: String?, job: JSONObject) {
    self.section = section
    self.lockPath = lockPath
    self.job = job
  }

  package var document: JSONObject {
    var object: JSONObject = ["mover": .string(section), "job": .object(job)]
    if let lockPath { object["lock"] = .string(lockPath) }
    return object
  }

  package init(_ object: JSONObject) throws(JSONError) {
    guard let job = object["job"]?.objectValue else { throw JSONError("\"job\" must be an object") }
    self.init(
      section: try object.string("mover"), lockPath: object["lock"]?.stringValue, job: job)
  }
}
