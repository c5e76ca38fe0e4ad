package scheduling

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// consumer says who asks: a workspace, and whose compute exports it has bound.
func (s *scheduler) consumer(workspace logicalcluster.Name) decide.Consumer {
	c := decide.Consumer{Workspace: workspace, Path: s.PathOf(workspace)}
	for _, binding := range s.APIBindings.In(workspace) {
		if export, ok := s.computeExport(workspace, binding); ok {
			c.Computes = append(c.Computes, export)
		}
	}
	return c
}

// requires returns the resources that a sync target must accept to run what the
// workspace can hold: those of its compute exports that are copied at all.
func (s *scheduler) requires(workspace logicalcluster.Name) []schema.GroupResource {
	required := map[schema.GroupResource]bool{}
	for _, binding := range s.APIBindings.In(workspace) {
		if _, ok := s.computeExport(workspace, binding); !ok {
			continue
		}
		for _, r := range binding.Status.BoundResources {
			if gr := (schema.GroupResource{Group: r.Group, Resource: r.Resource}); s.copies(gr) {
				required[gr] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(required), func(a, b schema.GroupResource) int {
		return cmp.Compare(a.String(), b.String())
	})
}

func (s *scheduler) copies(gr schema.GroupResource) bool {
	for gvr := range s.objects {
		if gvr.GroupResource() == gr {
			return true
		}
	}
	return false
}

// computeExport returns the workspace of the export that a binding refers to, if
// it is bound and the export is one for compute. What counts is the annotation
// of the export: that of the binding can be written by its owner.
func (s *scheduler) computeExport(workspace logicalcluster.Name, binding *apisv1alpha2.APIBinding) (logicalcluster.Name, bool) {
	reference := binding.Spec.Reference.Export
	if reference == nil || binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
		return "", false
	}
	from := workspace
	if reference.Path != "" {
		resolved, ok := s.Resolve(logicalcluster.Path(reference.Path))
		if !ok {
			return "", false
		}
		from = resolved
	}
	export, ok := s.APIExports.Get(logicalcluster.Key{Workspace: from, Name: reference.Name})
	if !ok {
		return "", false
	}
	_, compute := export.Annotations[workloadv1alpha1.ComputeAPIExportAnnotationKey]
	return from, compute
}
