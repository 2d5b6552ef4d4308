package engine

import (
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// metadataKeys are the properties that a node's metadata may have, those without an
// effect here included, by the object they stand in.
func metadataKeys() map[string][]string {
	return map[string][]string{
		"": {"_id", "type", "name", "description", "comment", "metadata", "namespaced_identifiers", "namespaces", "global_defaults", "dependency_tracking", "task_manager", "rdf"},
		"global_defaults": {"use_signalling_internally", "use_signalling_externally", "default_compaction_type", "compaction_interval", "compaction_keep_versions",
			"compaction_time_threshold_hours", "compaction_time_threshold_hours_pump", "compaction_growth_threshold", "max_entity_bytes_size",
			"run_at_startup_if_not_populated", "infer_pipe_entity_types", "use_config_circuit_breaker", "reprocessing_policy", "rescan_when_config_changes",
			"enable_background_rescan", "eager_load_microservices", "symmetric_namespace_collapse", "max_merged", "always_index_ids", "if_source_empty",
			"require_populated_input", "trace", "verify_ssl", "comment"},
		"dependency_tracking": {"dependency_warning_threshold", "dependency_error_threshold", "dependency_warning_threshold_total_bytes",
			"dependency_error_threshold_total_bytes", "enable_hops_thresholds", "comment"},
		"task_manager": {"disable_pump_scheduler", "disable_user_pipes", "comment"},
	}
}

// checkMetadata warns of properties of the metadata that are misspelt: a default that
// is not there guards nothing.
func checkMetadata(c *config.Component) (finds diag.List) {
	for in, known := range metadataKeys() {
		n := c.Effective
		if in != "" {
			n = n.Get(in)
		}
		if n == nil || n.Kind != jsonpos.Object {
			continue
		}
		for _, m := range n.Members {
			if slices.Contains(known, m.Key) {
				continue
			}
			help := ""
			if near := textdist.Nearest(m.Key, known); near != "" {
				help = fmt.Sprintf("did you mean %q?", near)
			}
			finds.Add(diag.Finding{Rule: "config/unknown-key", Severity: diag.Warning, Span: m.KeySpan, Help: help,
				Message: fmt.Sprintf("the property %q is not known here and has no effect", m.Key)})
		}
	}
	return finds
}
