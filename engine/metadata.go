package engine

import (
	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// metadata is what a node's metadata may say, to check it by: those that mean
// something here read it themselves.
type metadata struct {
	spec.Base
	ID          string        `spec:"_id,required" doc:"node"`
	Type        string        `spec:"type,required" doc:"metadata"`
	Name        string        `spec:"name" doc:"Name shown to people."`
	Description *jsonpos.Node `spec:"description" kind:"string|array" doc:"What the node is for."`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Metadata    *jsonpos.Node `spec:"metadata" kind:"object" doc:"Free properties for tools."`
	Namespaced  bool          `spec:"namespaced_identifiers" doc:"Whether properties and identifiers have namespaces."`
	Namespaces  *jsonpos.Node `spec:"namespaces" kind:"object" doc:"Namespaces and the URIs they stand for, in default."`
	RDF         *jsonpos.Node `spec:"rdf" kind:"object" doc:"Prefixes of older configurations."`
	Defaults    defaults      `spec:"global_defaults" doc:"What pipes that do not say it themselves do."`
	Tracking    tracking      `spec:"dependency_tracking" doc:"Limits of dependency tracking."`
	Tasks       tasks         `spec:"task_manager" doc:"What starts by itself."`
}

type defaults struct {
	spec.Base
	Comment      *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Signals      bool          `spec:"use_signalling_internally" doc:"Whether changes of datasets start pipes."`
	SignalsAfar  bool          `spec:"use_signalling_externally" doc:"Accepted for compatibility."`
	Compaction   string        `spec:"default_compaction_type" enum:"sink,background" doc:"When old versions go."`
	Interval     float64       `spec:"compaction_interval" min:"0" doc:"See compaction_interval of pipes."`
	Keep         int           `spec:"compaction_keep_versions" min:"0" doc:"See keep_versions of pipes."`
	Hours        *jsonpos.Node `spec:"compaction_time_threshold_hours" kind:"number|null" doc:"See time_threshold_hours of pipes."`
	HoursPump    *jsonpos.Node `spec:"compaction_time_threshold_hours_pump" kind:"number|null" doc:"See time_threshold_hours_pump of pipes."`
	Growth       *jsonpos.Node `spec:"compaction_growth_threshold" kind:"number|null" doc:"See growth_threshold of pipes."`
	EntityBytes  int           `spec:"max_entity_bytes_size" min:"1" doc:"Bytes an entity may have."`
	RunIfNot     bool          `spec:"run_at_startup_if_not_populated" doc:"See the pump's property."`
	InferTypes   bool          `spec:"infer_pipe_entity_types" doc:"Accepted for compatibility."`
	ConfigBreak  bool          `spec:"use_config_circuit_breaker" doc:"Accepted for compatibility."`
	Reprocessing string        `spec:"reprocessing_policy" enum:"continue,automatic" doc:"See the pipe's property."`
	Rescan       bool          `spec:"rescan_when_config_changes" doc:"See the pipe's property."`
	Background   bool          `spec:"enable_background_rescan" doc:"See the pipe's property."`
	Eager        bool          `spec:"eager_load_microservices" doc:"Accepted for compatibility."`
	Symmetric    bool          `spec:"symmetric_namespace_collapse" doc:"Accepted for compatibility."`
	MaxMerged    int           `spec:"max_merged" min:"1" doc:"See the source merge."`
	IndexIDs     bool          `spec:"always_index_ids" doc:"Whether all datasets have the index $ids."`
	IfEmpty      string        `spec:"if_source_empty" enum:"accept,fail" doc:"See the sources' property."`
	Populated    bool          `spec:"require_populated_input" doc:"See the sources' property."`
	Trace        *jsonpos.Node `spec:"trace" kind:"boolean|object" doc:"Accepted for compatibility."`
	VerifySSL    bool          `spec:"verify_ssl" doc:"Accepted for compatibility."`
}

type tracking struct {
	spec.Base
	Comment   *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Warn      int           `spec:"dependency_warning_threshold" min:"1" doc:"See the pipe's property."`
	Fail      int           `spec:"dependency_error_threshold" min:"1" doc:"See the pipe's property."`
	WarnBytes int           `spec:"dependency_warning_threshold_total_bytes" min:"1" doc:"See the pipe's property."`
	FailBytes int           `spec:"dependency_error_threshold_total_bytes" min:"1" doc:"See the pipe's property."`
	Hops      bool          `spec:"enable_hops_thresholds" doc:"See the pipe's property."`
}

type tasks struct {
	spec.Base
	Comment *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	NoPumps bool          `spec:"disable_pump_scheduler" doc:"Whether no pump starts by itself."`
	NoPipes bool          `spec:"disable_user_pipes" doc:"The same."`
}

// checkMetadata looks for what is misspelt: a default that is not there guards
// nothing. Of several only the one in force counts.
func checkMetadata(c *config.Component, inForce *jsonpos.Node) diag.List {
	finds := spec.Decode(c.Effective, new(metadata))
	if c.Effective != inForce {
		finds.Add(diag.Finding{Rule: "config/second-metadata", Severity: diag.Warning, Span: c.Effective.Get("type").Span,
			Message: "the node has its metadata already: this one has no effect", Help: "put all of it into one object"})
	}
	return finds
}
