package customresources

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	basemetrics "k8s.io/component-base/metrics"
)

// labelled are the upstream metrics that have a series for every resource,
// with those of their labels that a client chooses by its URL, and those that have
// one for every issuer of tokens, policy or webhook that a tenant names.
var labelled = map[string][]string{
	"apiserver_requested_deprecated_apis":                        {"group", "version", "resource", "subresource"},
	"apiserver_request_total":                                    {"group", "version", "resource", "subresource"},
	"apiserver_longrunning_requests":                             {"group", "version", "resource", "subresource"},
	"apiserver_request_duration_seconds":                         {"group", "version", "resource", "subresource"},
	"apiserver_request_sli_duration_seconds":                     {"group", "version", "resource", "subresource"},
	"apiserver_request_body_size_bytes":                          {"group", "resource"},
	"apiserver_response_sizes":                                   {"group", "version", "resource", "subresource"},
	"apiserver_watch_events_total":                               {"group", "version", "resource"},
	"apiserver_watch_events_sizes":                               {"group", "version", "resource"},
	"apiserver_watch_list_duration_seconds":                      {"group", "version", "resource"},
	"apiserver_request_terminations_total":                       {"group", "version", "resource", "subresource"},
	"apiserver_request_aborts_total":                             {"group", "version", "resource", "subresource"},
	"apiserver_selfrequest_total":                                {"group", "resource", "subresource"},
	"apiserver_crd_conversion_webhook_duration_seconds":          {"crd_name", "from_version", "to_version"},
	"apiserver_authentication_jwt_authenticator_latency_seconds": {"jwt_issuer_hash"},

	"apiserver_admission_webhook_admission_duration_seconds":       {"name"},
	"apiserver_admission_webhook_rejection_count":                  {"name"},
	"apiserver_admission_webhook_fail_open_count":                  {"name"},
	"apiserver_admission_webhook_request_total":                    {"name"},
	"apiserver_admission_match_condition_evaluation_errors_total":  {"name"},
	"apiserver_admission_match_condition_exclusions_total":         {"name"},
	"apiserver_admission_match_condition_evaluation_seconds":       {"name"},
	"apiserver_validating_admission_policy_check_total":            {"policy", "policy_binding"},
	"apiserver_validating_admission_policy_check_duration_seconds": {"policy", "policy_binding"},
	"apiserver_mutating_admission_policy_check_total":              {"policy", "policy_binding"},
	"apiserver_mutating_admission_policy_check_duration_seconds":   {"policy", "policy_binding"},
}

// subresources are the ones that compiled-in and custom resources have.
var subresources = []string{"", "approval", "attach", "binding", "ephemeralcontainers", "eviction", "exec", "finalize",
	"log", "portforward", "proxy", "resize", "scale", "status", "token"}

// LimitMetrics makes request metrics tell apart only the given resources. All
// others, which tenants name, share the series with the label "unexpected":
// otherwise each would make hundreds of series, for good. Call it once, before
// the first request of the process.
func LimitMetrics(known []schema.GroupVersionResource) {
	values := map[string]map[string]bool{"group": {"": true}, "version": {"": true}, "resource": {"": true}, "subresource": {}, "crd_name": {"": true}, "from_version": {"": true}, "to_version": {"": true}, "jwt_issuer_hash": {"": true}, "name": {"": true}, "policy": {"": true}, "policy_binding": {"": true}}
	for _, gvr := range known {
		values["group"][gvr.Group] = true
		values["version"][gvr.Version] = true
		values["resource"][gvr.Resource] = true
	}
	for _, name := range subresources {
		values["subresource"][name] = true
	}
	allowed := map[string]string{}
	for metric, labels := range labelled {
		for _, label := range labels {
			allowed[metric+","+label] = strings.Join(slices.Sorted(maps.Keys(values[label])), ",")
		}
	}
	basemetrics.SetLabelAllowList(allowed)
}
