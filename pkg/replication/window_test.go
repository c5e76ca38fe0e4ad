package replication

import (
	"errors"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/schemas"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// shelf is a Source of what a test put there.
type shelf[T metav1.Object] []T

func (s shelf[T]) Get(key logicalcluster.Key) (found T, ok bool) {
	for _, object := range s {
		if logicalcluster.From(object) == key.Workspace && object.GetName() == key.Name {
			return object, true
		}
	}
	return found, false
}

func (s shelf[T]) In(workspace logicalcluster.Name) (in []T) {
	for _, object := range s {
		if logicalcluster.From(object) == workspace {
			in = append(in, object)
		}
	}
	return in
}

var (
	flavors = schema.GroupResource{Group: "cloud.example.io", Resource: "flavors"}
	sizes   = schema.GroupResource{Group: "cloud.example.io", Resource: "sizes"}
)

func meta(workspace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Annotations: map[string]string{logicalcluster.AnnotationKey: workspace}}
}

func cached(workspace, name string, gr schema.GroupResource, change ...func(*cachev1alpha1.ClusterCachedResource)) *cachev1alpha1.ClusterCachedResource {
	resource := &cachev1alpha1.ClusterCachedResource{ObjectMeta: meta(workspace, name)}
	resource.Spec.Group, resource.Spec.Version, resource.Spec.Resource = gr.Group, "v1", gr.Resource
	resource.Status.IdentityHash = "id-" + name
	for _, c := range change {
		c(resource)
	}
	return resource
}

func slice(workspace, name, refers, path string) *cachev1alpha1.ClusterCachedResourceEndpointSlice {
	s := &cachev1alpha1.ClusterCachedResourceEndpointSlice{ObjectMeta: meta(workspace, name)}
	s.Spec.ClusterCachedResource.Name, s.Spec.ClusterCachedResource.Path = refers, path
	return s
}

func api(gr schema.GroupResource, scope apiextensionsv1.ResourceScope, origin schemas.Origin) *schemas.API {
	a := &schemas.API{Group: gr.Group, Resource: gr.Resource, Versions: []string{"v1"}, Origin: origin, CRD: &apiextensionsv1.CustomResourceDefinition{}}
	a.CRD.Spec.Scope = scope
	return a
}

func publisher(lookup map[schema.GroupResource]*schemas.API, resources []*cachev1alpha1.ClusterCachedResource, slices ...*cachev1alpha1.ClusterCachedResourceEndpointSlice) *Publisher {
	return &Publisher{
		Resources: shelf[*cachev1alpha1.ClusterCachedResource](resources),
		Slices:    shelf[*cachev1alpha1.ClusterCachedResourceEndpointSlice](slices),
		Lookup: func(workspace logicalcluster.Name, gr schema.GroupResource) (*schemas.API, bool) {
			found, ok := lookup[gr]
			return found, ok && workspace == "cloud"
		},
	}
}

func TestWindow(t *testing.T) {
	local := api(flavors, apiextensionsv1.ClusterScoped, schemas.Local)
	p := publisher(map[schema.GroupResource]*schemas.API{flavors: local}, []*cachev1alpha1.ClusterCachedResource{
		cached("cloud", "flavors", flavors, func(c *cachev1alpha1.ClusterCachedResource) {
			c.Spec.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"public": "yes"}}
		}),
	}, slice("cloud", "shown", "flavors", ""))
	window, err := p.Window(logicalcluster.Key{Workspace: "cloud", Name: "shown"}, "id-flavors")
	if err != nil {
		t.Fatal(err)
	}
	if window.API != local || window.Resource != (logicalcluster.Key{Workspace: "cloud", Name: "flavors"}) {
		t.Errorf("window %+v", window)
	}
	for value, want := range map[string]bool{"yes": true, "no": false} {
		if got := window.Selector.Matches(labels.Set{"public": value}); got != want {
			t.Errorf("an object with public=%s is shown: %v, want %v", value, got, want)
		}
	}
}

// What a provider, or somebody who would like to be one, can get wrong.
func TestNoWindow(t *testing.T) {
	apis := func(scope apiextensionsv1.ResourceScope, origin schemas.Origin) map[schema.GroupResource]*schemas.API {
		return map[schema.GroupResource]*schemas.API{flavors: api(flavors, scope, origin)}
	}
	fine := apis(apiextensionsv1.ClusterScoped, schemas.Local)
	virtual := apis(apiextensionsv1.ClusterScoped, schemas.Bound)
	virtual[flavors].Provider.Virtual.Slice = "other"
	now := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	older := func(c *cachev1alpha1.ClusterCachedResource) { c.CreationTimestamp = now }
	newer := func(c *cachev1alpha1.ClusterCachedResource) {
		c.CreationTimestamp = metav1.NewTime(now.Add(time.Second))
	}
	one := []*cachev1alpha1.ClusterCachedResource{cached("cloud", "flavors", flavors)}
	shown := slice("cloud", "shown", "flavors", "")
	for name, tc := range map[string]struct {
		publisher *Publisher
		identity  string
		want      string
	}{
		"no slice":             {publisher(fine, one), "id-flavors", "not there any more"},
		"nothing referred to":  {publisher(fine, nil, shown), "id-flavors", `no ClusterCachedResource "flavors"`},
		"another workspace's":  {publisher(fine, append(one, cached("victim", "flavors", flavors)), slice("cloud", "shown", "flavors", "victim")), "id-flavors", "theirs to offer"},
		"made again":           {publisher(fine, one, shown), "id-before", "another identity"},
		"no identity yet":      {publisher(fine, []*cachev1alpha1.ClusterCachedResource{cached("cloud", "flavors", flavors, func(c *cachev1alpha1.ClusterCachedResource) { c.Status.IdentityHash = "" })}, shown), "", "another identity"},
		"being deleted":        {publisher(fine, []*cachev1alpha1.ClusterCachedResource{cached("cloud", "flavors", flavors, func(c *cachev1alpha1.ClusterCachedResource) { c.DeletionTimestamp = &now })}, shown), "id-flavors", "being deleted"},
		"no such resource":     {publisher(fine, []*cachev1alpha1.ClusterCachedResource{cached("cloud", "flavors", sizes)}, shown), "id-flavors", "has no custom resource sizes.cloud.example.io"},
		"no such version":      {publisher(fine, []*cachev1alpha1.ClusterCachedResource{cached("cloud", "flavors", flavors, func(c *cachev1alpha1.ClusterCachedResource) { c.Spec.Version = "v2" })}, shown), "id-flavors", `version "v2"`},
		"in namespaces":        {publisher(apis(apiextensionsv1.NamespaceScoped, schemas.Local), one, shown), "id-flavors", "only resources of cluster scope"},
		"the hub's own":        {publisher(apis(apiextensionsv1.ClusterScoped, schemas.System), one, shown), "id-flavors", "is not a custom resource"},
		"a window of a window": {publisher(virtual, one, shown), "id-flavors", "itself read from another workspace"},
		"published already":    {publisher(fine, []*cachev1alpha1.ClusterCachedResource{cached("cloud", "flavors", flavors, newer), cached("cloud", "first", flavors, older)}, shown), "id-flavors", `"first" publishes flavors.cloud.example.io already`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tc.publisher.Window(logicalcluster.Key{Workspace: "cloud", Name: "shown"}, tc.identity)
			var p *Problem
			if !errors.As(err, &p) || !strings.Contains(p.Message, tc.want) || p.Reason == "" {
				t.Errorf("error %v, want a problem with %q", err, tc.want)
			}
		})
	}
}
