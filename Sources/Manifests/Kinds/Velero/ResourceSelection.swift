import Platform

/// What of a cluster a backup, a restore or a hook is about: the fields that several kinds of
/// Velero share.
package struct ResourceSelection: Sendable {
  package var includedNamespaces: [String]
  package var excludedNamespaces: [String]
  package var includedResources: [String]
  package var excludedResources: [String]
  package var labelSelector: LabelSelector?
  /// Any of these; never beside ``labelSelector``.
  package var orLabelSelectors: [LabelSelector] = []

  /// `noun` is that of Velero's message about two selectors; nil where there is one only.
  init(_ fields: FieldReader, selectorsOf noun: String?) {
    includedNamespaces = fields.strings("includedNamespaces")
    excludedNamespaces = fields.strings("excludedNamespaces")
    includedResources = fields.strings("includedResources")
    excludedResources = fields.strings("excludedResources")
    labelSelector = ResourceSelection.selector(fields, "labelSelector")
    if let noun { decodeAlternatives(fields, "labelSelector", "orLabelSelectors", noun: noun) }
    for (included, excluded) in [
      ("includedNamespaces", "excludedNamespaces"), ("includedResources", "excludedResources"),
    ] {
      ResourceSelection.check(fields, included, excluded)
    }
  }

  private mutating func decodeAlternatives(
    _ fields: FieldReader, _ single: String, _ several: String, noun: String
  ) {
    orLabelSelectors = fields.objects(several).map(LabelSelector.init)
    // A misspelt name counts: the two are told at once.
    let isGiven = fields.names.contains { $0.lowercased() == several.lowercased() }
    guard fields.has(single), isGiven else { return }
    fields.report(
      single,
      "encountered labelSelector as well as orLabelSelectors in \(noun) spec, only one can be "
        + "specified: labelSelector takes what has all its labels, orLabelSelectors what any of "
        + "its selectors takes")
  }

  static func selector(_ fields: FieldReader, _ name: String) -> LabelSelector? {
    if case .sequence? = fields.value(name)?.content {
      fields.report(
        name,
        "must be one mapping with matchLabels or matchExpressions, not a list: for \"any of "
          + "these\" write orLabelSelectors")
      return nil
    }
    return fields.object(name).map(LabelSelector.init)
  }

  /// Velero's rules of two lists.
  static func check(_ fields: FieldReader, _ included: String, _ excluded: String) {
    let takes = fields.texts(included)
    let leaves = fields.texts(excluded)
    if takes.count > 1, takes.contains("*") {
      fields.report(included, "must be \"*\" alone, or names without \"*\"")
    }
    if leaves.contains("*") {
      fields.report(excluded, "must not contain \"*\": nothing would be left")
    }
    for name in takes where name != "*" && leaves.contains(name) {
      fields.report(excluded, "\"\(name)\" stands in \(included), too")
    }
  }
}

extension FieldReader {
  /// The texts of a list that was read already; what is no text was told then.
  func texts(_ name: String) -> [String] {
    guard case .sequence(let items)? = value(name)?.content else { return [] }
    return items.compactMap { $0.resolvedScalar?.stringValue }
  }

  /// Whether a text stands where a list belongs, which was told.
  func isText(_ name: String) -> Bool { value(name)?.resolvedScalar != nil }

  /// A reference to another object: `name`, with the fields beside it that are only accepted.
  func namedReference(_ name: String, _ others: String...) -> String? {
    guard let fields = object(name) else { return nil }
    defer { fields.finish() }
    for other in others { _ = fields.string(other) }
    return fields.requiredString("name")
  }
}
