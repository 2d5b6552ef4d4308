package systems

import (
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// urlConfig is what `system:url` says, and `system:rest` too.
type urlConfig struct {
	spec.Base
	ID             string        `spec:"_id,required" doc:"Id of the system, unique in the configuration; it may not contain a slash."`
	Type           string        `spec:"type,required" doc:"The kind of system."`
	Name           string        `spec:"name" doc:"Name shown to people."`
	Description    *jsonpos.Node `spec:"description" kind:"string|array" doc:"What the system is for: a text, or a list of lines."`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Metadata       *jsonpos.Node `spec:"metadata" kind:"object" doc:"Free properties for tools, $config-group among them."`
	Permissions    *jsonpos.Node `spec:"permissions" kind:"array" doc:"Who may read and change the system."`
	WorkerThreads  int           `spec:"worker_threads" default:"10" min:"1" doc:"How many calls to the system may run at once."`
	URLPattern     string        `spec:"url_pattern" doc:"Address of the service. A relative address takes the place of %s, or is appended if there is none."`
	BaseURL        string        `spec:"base_url" doc:"Older form of url_pattern: relative addresses are resolved against it. Exactly one of the two is given."`
	VerifySSL      bool          `spec:"verify_ssl" default:"true" doc:"Whether the server must show a valid certificate. False accepts any, which lets anyone on the way read and change the traffic."`
	CustomCA       string        `spec:"custom_ca_pem_chain" doc:"Certificates in PEM form that vouch for the server, instead of those of the machine."`
	Authentication string        `spec:"authentication" enum:"basic,digest,ntlm,jwt,tripletex" doc:"How the system proves who it is. Without it username, password and jwt_token have no effect."`
	Username       *jsonpos.Node `spec:"username" kind:"string|null" doc:"User of basic authentication."`
	Password       *jsonpos.Node `spec:"password" kind:"string|null" doc:"Password of basic authentication; use $SECRET(name)."`
	JWTToken       *jsonpos.Node `spec:"jwt_token" kind:"string|null" doc:"Token sent as bearer if authentication is jwt; use $SECRET(name)."`
	Headers        *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of every request. Names and values are templates and may use secrets; an operation can replace a value."`
	OAuth2         *jsonpos.Node `spec:"oauth2" kind:"object" doc:"How access tokens are fetched by OAuth 2."`
	Tripletex      *jsonpos.Node `spec:"tripletex" kind:"object" doc:"How session tokens of Tripletex are fetched."`
	Proxies        *jsonpos.Node `spec:"proxies" kind:"object" doc:"Proxies by the beginning of the address."`
	ConnectTimeout int           `spec:"connect_timeout" default:"60" min:"1" doc:"Seconds to wait for a connection."`
	ReadTimeout    int           `spec:"read_timeout" default:"1800" min:"1" doc:"Seconds to wait for a response."`
	IgnoreLength   bool          `spec:"ignore_invalid_content_length_response_header" doc:"Whether a wrong Content-Length of a response is put up with."`
	RetryStrategy  *jsonpos.Node `spec:"retry_strategy" kind:"object" doc:"Retry settings of pumps by status code: keys such as 429, 400-428 or 500,502,504, and default; values are dicts of max_read_retries, read_retry_delay, write_retry_delay, max_retries_per_entity, max_consecutive_write_errors, max_write_errors_in_retry_dataset and batch_retries. What the pump says goes before it."`
}

// restConfig is what `system:rest` says.
type restConfig struct {
	urlConfig
	Operations   *jsonpos.Node `spec:"operations" kind:"object" doc:"The calls that sources, transforms and sinks can make, by name."`
	Retries      int           `spec:"rate_limiting_retries" min:"0" doc:"How often a request that got status 429 is sent again."`
	Delay        int           `spec:"rate_limiting_delay" default:"1" min:"0" doc:"Seconds to wait before a request that got status 429 is sent again."`
	ContentTypes []string      `spec:"json_content_types" doc:"Content types that are read as JSON besides application/json."`
	CustomAuth   *jsonpos.Node `spec:"custom_auth" kind:"object" doc:"How tokens are fetched by operations of the system itself."`
}

// operationConfig is one of the operations of a REST system or pipe.
type operationConfig struct {
	spec.Base
	URL              string        `spec:"url,required" doc:"Template of the address, absolute or relative to the system's; it may be empty. Properties of the entity are variables."`
	Method           string        `spec:"method,required" enum:"GET,POST,PUT,DELETE,PATCH,OPTIONS,HEAD" doc:"HTTP method, in capitals."`
	Headers          *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of the request; names and values are templates. They replace the system's headers of the same name."`
	Params           *jsonpos.Node `spec:"params" kind:"object" doc:"Parameters of the query; names and values are templates. A list gives its parameter several values."`
	Payload          *jsonpos.Node `spec:"payload" kind:"any" doc:"What is sent as body; every text in it is a template. An entity's or a pipe's payload goes before it."`
	PayloadType      string        `spec:"payload-type" enum:"text,json,json-transit,form,multipart-form" default:"json" doc:"How the payload is written: json without and json-transit with transit tags, form and multipart-form from a flat dict, text as it is."`
	Properties       *jsonpos.Node `spec:"properties" kind:"object" doc:"Values for templates to use as properties.<name>, if neither entity nor pipe has properties."`
	PayloadProperty  string        `spec:"payload_property" doc:"Path, with dots, of the part of a JSON response that holds the result. A property whose whole name fits goes before the path."`
	ResponseProperty string        `spec:"response_property" doc:"Property that receives the response."`
	HeadersProperty  string        `spec:"response_headers_property" doc:"Property that receives the response's headers."`
	StatusProperty   string        `spec:"response_status_property" doc:"Property that receives the response's status code."`
	NextPageLink     string        `spec:"next_page_link" doc:"Template of the address of the next page. Empty, None or undefined means there is none."`
	Termination      *jsonpos.Node `spec:"next_page_termination_strategy" kind:"string|array" enum:"empty-result,same-next-page-link,next-page-link-empty,same-next-page-request,same-response,not-full-page" doc:"What ends paging: one condition or several. Unless given: next-page-link-empty, same-next-page-request and same-response."`
	PageSize         int           `spec:"page_size" min:"1" doc:"Entities on a full page: the variable page_size of templates, and what not-full-page compares with."`
	Allowed          string        `spec:"allowed_status_codes" default:"200-299" doc:"Status codes a transform takes as success: codes and ranges such as 200-299,404."`
	Ignored          string        `spec:"ignored_status_codes" doc:"Status codes for which a transform drops response and entity. They may not overlap the allowed ones."`
	IDExpression     string        `spec:"id_expression" doc:"Template of the _id of each entity of the response."`
	Updated          string        `spec:"updated_expression" doc:"Template of the _updated of each entity of the response, which continuation compares."`
	ErrorExpression  string        `spec:"error_expression" doc:"Template that gives a text if the response is a failure; needs payload_property and a JSON response."`
	SinceName        string        `spec:"since_property_name" default:"since" doc:"Name of the parameter or header that carries the continuation."`
	SinceLocation    string        `spec:"since_property_location" enum:"query,header,manual" default:"query" doc:"Where the continuation is put; manual leaves it to templates. Not used if the url template mentions since."`
	Retries          int           `spec:"rate_limiting_retries" min:"0" doc:"How often a request that got status 429 is sent again; goes before the system's."`
	Delay            int           `spec:"rate_limiting_delay" min:"0" doc:"Seconds to wait before a request that got status 429 is sent again; goes before the system's."`
	Description      *jsonpos.Node `spec:"description" kind:"string|array" doc:"What the operation does, for readers."`
}
