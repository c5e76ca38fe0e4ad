package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/syncer/remote"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// DefaultResources are what an agent copies unless told otherwise, as far as
// the child has them.
func DefaultResources() []string {
	return []string{
		"configmaps",
		"cronjobs.batch",
		"daemonsets.apps",
		"deployments.apps",
		"horizontalpodautoscalers.autoscaling",
		"ingresses.networking.k8s.io",
		"jobs.batch",
		"networkpolicies.networking.k8s.io",
		"persistentvolumeclaims",
		"poddisruptionbudgets.policy",
		"secrets",
		"services",
		"statefulsets.apps",
	}
}

// offer is a resource that the child serves.
type offer struct {
	schema.GroupResource
	Kind string
	// Versions the child serves, the preferred one first.
	Versions []string
}

// api is one group as a child describes it.
type api struct {
	versions  []string // the preferred one first
	resources map[string]*metav1.APIResourceList
}

// offers asks the child which of the wanted resources it has. The others are
// returned with the reason why they cannot be copied.
func offers(ctx context.Context, child *remote.Server, wanted []string) ([]offer, map[string]string, error) {
	groups, err := groupVersions(ctx, child)
	if err != nil {
		return nil, nil, err
	}
	known := map[string]*api{}
	refused := map[string]string{}
	var out []offer
	for _, name := range wanted {
		resource := schema.ParseGroupResource(name)
		if known[resource.Group] == nil {
			if known[resource.Group], err = describe(ctx, child, resource.Group, groups[resource.Group]); err != nil {
				return nil, nil, err
			}
		}
		if found, reason := find(known[resource.Group], resource); reason != "" {
			refused[name] = reason
		} else {
			out = append(out, found)
		}
	}
	return out, refused, nil
}

// groupVersions lists all groups of a server with their versions, the preferred
// one first.
func groupVersions(ctx context.Context, server *remote.Server) (map[string][]string, error) {
	body, err := server.Get(ctx, "/apis")
	if err != nil {
		return nil, fmt.Errorf("failed to list API groups: %w", err)
	}
	var list metav1.APIGroupList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("failed to decode API groups: %w", err)
	}
	out := map[string][]string{"": {"v1"}}
	for _, group := range list.Groups {
		preferred := group.PreferredVersion.Version
		versions := []string{preferred}
		for _, v := range group.Versions {
			if v.Version != preferred {
				versions = append(versions, v.Version)
			}
		}
		out[group.Name] = versions
	}
	return out, nil
}

func describe(ctx context.Context, server *remote.Server, group string, versions []string) (*api, error) {
	described := &api{versions: versions, resources: map[string]*metav1.APIResourceList{}}
	for _, version := range versions {
		path := "/api/" + version
		if group != "" {
			path = "/apis/" + group + "/" + version
		}
		body, err := server.Get(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("failed to list resources of %s: %w", path, err)
		}
		list := &metav1.APIResourceList{}
		if err := json.Unmarshal(body, list); err != nil {
			return nil, fmt.Errorf("failed to decode resources of %s: %w", path, err)
		}
		described.resources[version] = list
	}
	return described, nil
}

// find looks a resource up, and says why it cannot be copied if so.
func find(described *api, resource schema.GroupResource) (offer, string) {
	out := offer{GroupResource: resource}
	for _, version := range described.versions {
		list := described.resources[version]
		i := slices.IndexFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == resource.Resource })
		if i < 0 {
			continue
		}
		found := list.APIResources[i]
		if !found.Namespaced {
			return out, "it is not namespaced, and only what lies in namespaces is copied"
		}
		out.Versions = append(out.Versions, version)
		if out.Kind == "" {
			out.Kind = found.Kind
		}
	}
	if len(out.Versions) == 0 {
		return out, "the child does not serve it"
	}
	return out, ""
}

// agree finds the version of an offer that the hub serves too. It is false when
// there is none.
func agree(ctx context.Context, view remote.Collection, o offer) (remote.Resource, bool, error) {
	for _, version := range o.Versions {
		view.Resource = remote.Resource{GroupVersionResource: o.WithVersion(version), Kind: o.Kind}
		err := view.Probe(ctx)
		if err == nil {
			return view.Resource, true, nil
		}
		if !apierrors.IsNotFound(err) {
			return remote.Resource{}, false, fmt.Errorf("failed to ask the hub for %s: %w", o.GroupResource, err)
		}
	}
	return remote.Resource{}, false, nil
}

// toReport is an offer as it stands in the status of the SyncTarget.
func (o offer) toReport(accepted bool) workloadv1alpha1.ResourceToSync {
	state := workloadv1alpha1.ResourceSchemaPendingState
	if accepted {
		state = workloadv1alpha1.ResourceSchemaAcceptedState
	}
	return workloadv1alpha1.ResourceToSync{
		GroupResource: workloadv1alpha1.GroupResource{Group: o.Group, Resource: o.Resource},
		Versions:      o.Versions,
		State:         state,
	}
}

// checkNames refuses what cannot be the name of a resource.
func checkNames(resources []string) error {
	for _, name := range resources {
		resource := schema.ParseGroupResource(name)
		if resource.Resource == "" || strings.ContainsAny(name, "/ *") || strings.ToLower(name) != name {
			return fmt.Errorf("%q is not the name of a resource: write the lower-case plural and the group, as in deployments.apps or services", name)
		}
		if resource == (schema.GroupResource{Resource: "namespaces"}) {
			return fmt.Errorf("namespaces are made in the child as needed, they cannot be copied: leave them out of the resources")
		}
	}
	return nil
}
