package pipes

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Metadata is what a node's metadata may say, with its defaults: the one place that
// names them. What has no effect here is in idle.
type Metadata struct {
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
	Defaults    Defaults      `spec:"global_defaults" doc:"What pipes that do not say it themselves do."`
	Tracking    nodeTracking  `spec:"dependency_tracking" doc:"Limits of dependency tracking."`
	Tasks       tasks         `spec:"task_manager" doc:"What starts by itself."`
}

// Defaults are what components do that do not say it themselves.
type Defaults struct {
	spec.Base
	Comment       *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Signals       bool          `spec:"use_signalling_internally" default:"true" doc:"Whether changes of datasets start pipes."`
	SignalsAfar   bool          `spec:"use_signalling_externally" doc:"Has no effect."`
	Compaction    string        `spec:"default_compaction_type" enum:"sink,background" doc:"When old versions go."`
	Interval      float64       `spec:"compaction_interval" min:"0" doc:"See compaction_interval of pipes."`
	Keep          int           `spec:"compaction_keep_versions" min:"0" doc:"See keep_versions of pipes."`
	Hours         *jsonpos.Node `spec:"compaction_time_threshold_hours" kind:"number|null" doc:"See time_threshold_hours of pipes."`
	HoursPump     *jsonpos.Node `spec:"compaction_time_threshold_hours_pump" kind:"number|null" doc:"See time_threshold_hours_pump of pipes."`
	Growth        *jsonpos.Node `spec:"compaction_growth_threshold" kind:"number|null" doc:"See growth_threshold of pipes."`
	EntityBytes   int           `spec:"max_entity_bytes_size" min:"1" doc:"Bytes an entity may have."`
	RunIfNot      bool          `spec:"run_at_startup_if_not_populated" doc:"See the pump's property."`
	InferTypes    bool          `spec:"infer_pipe_entity_types" doc:"Has no effect."`
	ConfigBreaker bool          `spec:"use_config_circuit_breaker" doc:"Whether a served node refuses a changed configuration that lacks more than ten components and more than a tenth of those it has."`
	Reprocessing  string        `spec:"reprocessing_policy" enum:"continue,automatic" doc:"See the pipe's property."`
	Rescan        bool          `spec:"rescan_when_config_changes" doc:"See the pipe's property."`
	Background    bool          `spec:"enable_background_rescan" doc:"See the pipe's property."`
	Eager         bool          `spec:"eager_load_microservices" doc:"Has no effect."`
	Symmetric     bool          `spec:"symmetric_namespace_collapse" doc:"Has no effect."`
	MaxMerged     int           `spec:"max_merged" min:"1" doc:"See the source merge."`
	IndexIDs      bool          `spec:"always_index_ids" doc:"Whether all datasets have the index $ids."`
	IfEmpty       string        `spec:"if_source_empty" enum:"accept,fail" doc:"See the sources' property."`
	Populated     bool          `spec:"require_populated_input" doc:"See the sources' property."`
	Trace         *jsonpos.Node `spec:"trace" kind:"boolean|object" doc:"Has no effect."`
	VerifySSL     bool          `spec:"verify_ssl" default:"true" doc:"See the property of URL systems."`
}

type nodeTracking struct {
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

// ReadMetadata reads a node's metadata, nil if it has none, and looks for what is
// misspelt, since a default that is not there guards nothing, and for what has no
// effect.
func ReadMetadata(n *jsonpos.Node) (*Metadata, diag.List) {
	m := new(Metadata)
	if n == nil {
		spec.Decode(&jsonpos.Node{Kind: jsonpos.Object}, m) // what it lacks has its default
		m.Node = nil
		return m, nil
	}
	finds := spec.Decode(n, m)
	finds.Add(m.idle()...)
	return m, finds
}

// Why properties that nodes and pipes have alike have no effect.
const (
	noTypes    = "schemas of entities are not inferred"
	noCollapse = "namespaces collapse as they do by default"
)

// idle are the defaults that are given and have no effect.
func (m *Metadata) idle() diag.List {
	d := &m.Defaults
	traces := d.Trace.IsTrue() || d.Trace != nil && d.Trace.Kind == jsonpos.Object
	return withoutEffect(&d.Base, []idleProperty{
		{"use_signalling_externally", d.SignalsAfar, `sources say it themselves, by "supports_signalling"`},
		{"infer_pipe_entity_types", d.InferTypes, noTypes},
		{"eager_load_microservices", d.Eager, "there are no microservices"},
		{"symmetric_namespace_collapse", d.Symmetric, noCollapse},
		{"trace", traces, "requests and answers are not written to the execution log"},
	})
}

// idleProperty has no effect. Where what it asks for is what there is anyway, nothing
// is missing.
type idleProperty struct {
	key   string
	lacks bool
	why   string
}

func withoutEffect(of *spec.Base, all []idleProperty) diag.List {
	var finds diag.List
	for _, c := range all {
		if c.lacks {
			finds.Add(diag.Finding{Rule: "config/no-effect", Severity: diag.Warning, Span: of.At(c.key), Message: `"` + c.key + `" has no effect: ` + c.why})
		}
	}
	return finds
}

// URINamespaces are the namespaces that are declared, with the URIs they stand for.
func (m *Metadata) URINamespaces() map[string]string {
	declared := map[string]string{}
	if n := m.Namespaces.Get("default"); n != nil {
		for _, m := range n.Members {
			if uri, ok := m.Value.Str(); ok {
				declared[m.Key] = uri
			}
		}
	}
	return declared
}

// compaction is the default of a property of compaction, nil if none is given.
func (d *Defaults) compaction(key string) *jsonpos.Node { return d.Node.Get("compaction_" + key) }
