package scheme

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

func TestSchemeHasEveryKindAndItsList(t *testing.T) {
	for _, kind := range []schema.GroupVersionKind{
		{Group: "apis.atrium.io", Version: "v1alpha1", Kind: "APIPublication"},
		{Group: "apis.atrium.io", Version: "v1alpha1", Kind: "SchemaRollout"},
		{Group: "apis.kcp.io", Version: "v1alpha1", Kind: "APIBinding"},
		{Group: "apis.kcp.io", Version: "v1alpha1", Kind: "APIConversion"},
		{Group: "apis.kcp.io", Version: "v1alpha1", Kind: "APIExport"},
		{Group: "apis.kcp.io", Version: "v1alpha1", Kind: "APIExportEndpointSlice"},
		{Group: "apis.kcp.io", Version: "v1alpha1", Kind: "APIResourceSchema"},
		{Group: "apis.kcp.io", Version: "v1alpha2", Kind: "APIBinding"},
		{Group: "apis.kcp.io", Version: "v1alpha2", Kind: "APIExport"},
		{Group: "cache.kcp.io", Version: "v1alpha1", Kind: "ClusterCachedResource"},
		{Group: "cache.kcp.io", Version: "v1alpha1", Kind: "ClusterCachedResourceEndpointSlice"},
		{Group: "core.kcp.io", Version: "v1alpha1", Kind: "LogicalCluster"},
		{Group: "core.kcp.io", Version: "v1alpha1", Kind: "Shard"},
		{Group: "scheduling.kcp.io", Version: "v1alpha1", Kind: "Location"},
		{Group: "scheduling.kcp.io", Version: "v1alpha1", Kind: "Placement"},
		{Group: "tenancy.kcp.io", Version: "v1alpha1", Kind: "Workspace"},
		{Group: "tenancy.kcp.io", Version: "v1alpha1", Kind: "WorkspaceAuthenticationConfiguration"},
		{Group: "tenancy.kcp.io", Version: "v1alpha1", Kind: "WorkspaceType"},
		{Group: "workload.kcp.io", Version: "v1alpha1", Kind: "SyncTarget"},
	} {
		if !Scheme.Recognizes(kind) {
			t.Errorf("%v is unknown", kind)
		}
		if list := kind.GroupVersion().WithKind(kind.Kind + "List"); !Scheme.Recognizes(list) {
			t.Errorf("%v is unknown", list)
		}
	}
}

// Clients say which API version they mean in every body they send.
func TestEncodingCarriesTheAPIVersion(t *testing.T) {
	raw, err := runtime.Encode(Codecs.LegacyCodec(apisv1alpha2.SchemeGroupVersion), &apisv1alpha2.APIExport{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got["apiVersion"] != "apis.kcp.io/v1alpha2" || got["kind"] != "APIExport" {
		t.Errorf("encoded as %s", raw)
	}
}

// A storage that is not set has to be absent: an empty one would keep the
// server from filling in the default, and break the rule that one must be set.
func TestUnsetStorageIsNotWritten(t *testing.T) {
	raw, err := json.Marshal(apisv1alpha2.ResourceSchema{Name: "widgets", Group: "example.io", Schema: "v1.widgets.example.io"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"widgets","group":"example.io","schema":"v1.widgets.example.io"}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
