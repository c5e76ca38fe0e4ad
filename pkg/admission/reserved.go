package admission

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/warning"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// Reserved keeps tenants from writing the metadata by which objects are put on
// child clusters. The hub itself may; what a view may is the view's to judge.
type Reserved struct{ *admission.Handler }

var _ admission.MutationInterface = &Reserved{}

// NewReserved returns the plugin.
func NewReserved() *Reserved {
	return &Reserved{admission.NewHandler(admission.Create, admission.Update)}
}

// Admit takes such metadata from an object that is created, with a warning: it
// comes along with what clients copy. Of one that is updated it puts back what a
// client merely left out and refuses what it changed. It judges what the client
// sent: plugins after it write such metadata themselves.
func (p *Reserved) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object, old, ok := p.metadata(ctx, a)
	if !ok {
		return nil
	}
	if a.GetOperation() == admission.Create {
		for _, key := range decide.StripReserved(object) {
			warning.AddWarning(ctx, "", fmt.Sprintf("%s was left out: only the hub writes it", key))
		}
		return nil
	}
	if old != nil {
		decide.RestoreReserved(old, object)
	}
	if key := decide.ReservedMetadataChange(old, object); key != "" {
		return admission.NewForbidden(a, fmt.Errorf("%s is reserved: only the hub writes it%s", key, insteadOf(key)))
	}
	return nil
}

// insteadOf says how to get what who writes key may have in mind, if that is known.
func insteadOf(key string) string {
	switch {
	case strings.Contains(key, apisv1alpha2.APIExportPermissionClaimLabelPrefix):
		return ". To let a provider see objects, accept its claim in the APIBinding"
	case strings.Contains(key, workloadv1alpha1.GroupName):
		return ". To place objects, create a Placement"
	}
	return ""
}

func (p *Reserved) metadata(ctx context.Context, a admission.Attributes) (object, old metav1.Object, ok bool) {
	if t, _ := target.From(ctx); t.View != nil || identity.IsHub(a.GetUserInfo()) {
		return nil, nil, false
	}
	object = accessor(a.GetObject())
	return object, accessor(a.GetOldObject()), object != nil
}

// accessor returns nil, not an interface that holds nil, for an object without
// metadata.
func accessor(object runtime.Object) metav1.Object {
	if object == nil {
		return nil
	}
	found, err := meta.Accessor(object)
	if err != nil {
		return nil
	}
	return found
}
