package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// flavors are what the providers of these tests let others read.
func flavors(group string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: "flavors"}
}

const flavorSchema = `{"type":"object","properties":{"spec":{"type":"object","properties":{"cores":{"type":"integer"}}}}}`

func flavorNames() apiextensionsv1.CustomResourceDefinitionNames {
	return apiextensionsv1.CustomResourceDefinitionNames{Plural: "flavors", Singular: "flavor", Kind: "Flavor", ListKind: "FlavorList"}
}

// flavorsOf makes the workspace at path have flavors of its own.
func flavorsOf(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group string) {
	t.Helper()
	version := apisv1alpha1.APIResourceVersion{Schema: runtime.RawExtension{Raw: []byte(flavorSchema)}}
	props, err := version.GetSchema()
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "flavors." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.ClusterScoped, Names: flavorNames(),
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: props},
			}},
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Dynamic(path).Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")).
		Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func createFlavor(ctx context.Context, t *testing.T, objects dynamic.ResourceInterface, group, name, public string) {
	t.Helper()
	flavor := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1", "kind": "Flavor", "spec": map[string]any{"cores": int64(2)},
		"metadata": map[string]any{"name": name, "labels": map[string]any{"public": public}},
	}}
	await(ctx, t, "flavor "+name+" is made", func() error {
		_, err := objects.Create(ctx, flavor, metav1.CreateOptions{})
		return err
	})
}

// publishFlavors lets those read the public flavors of the workspace at path who
// bind the export "cloud" of it.
func publishFlavors(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group string) *cachev1alpha1.ClusterCachedResource {
	t.Helper()
	published := &cachev1alpha1.ClusterCachedResource{ObjectMeta: metav1.ObjectMeta{Name: "flavors"}}
	published.Spec.Group, published.Spec.Version, published.Spec.Resource = group, "v1", "flavors"
	published.Spec.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"public": "yes"}}
	if _, err := client.ClusterCachedResources(hub, path).Create(ctx, published, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "flavors are published", func() error {
		var err error
		published, err = client.ClusterCachedResources(hub, path).Get(ctx, "flavors", metav1.GetOptions{})
		if err == nil && published.Status.Phase != cachev1alpha1.ClusterCachedResourcePhaseReady {
			return fmt.Errorf("conditions %+v", published.Status.Conditions)
		}
		return err
	})
	slice := &cachev1alpha1.ClusterCachedResourceEndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "flavors"}}
	slice.Spec.ClusterCachedResource.Name, slice.Spec.APIExport.Name = "flavors", "cloud"
	if _, err := client.ClusterCachedResourceEndpointSlices(hub, path).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	offerFlavors(ctx, t, hub, path, group, published.Status.IdentityHash)
	return published
}

func offerFlavors(ctx context.Context, t *testing.T, hub *client.Hub, path logicalcluster.Path, group, identity string) {
	t.Helper()
	offered := &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "v1.flavors." + group},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: group, Scope: apiextensionsv1.ClusterScoped, Names: flavorNames(),
			Versions: []apisv1alpha1.APIResourceVersion{{Name: "v1", Served: true, Storage: true, Schema: runtime.RawExtension{Raw: []byte(flavorSchema)}}},
		},
	}
	if _, err := client.APIResourceSchemas(hub, path).Create(ctx, offered, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	apiGroup := cachev1alpha1.GroupName
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "cloud"}}
	virtual := &apisv1alpha2.ResourceSchemaStorageVirtual{IdentityHash: identity}
	virtual.Reference.APIGroup, virtual.Reference.Kind, virtual.Reference.Name = &apiGroup, "ClusterCachedResourceEndpointSlice", "flavors"
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{
		Group: group, Name: "flavors", Schema: offered.Name, Storage: apisv1alpha2.ResourceSchemaStorage{Virtual: virtual},
	}}
	if _, err := client.APIExports(hub, path).Create(ctx, export, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func flavorNamesIn(ctx context.Context, objects dynamic.ResourceInterface) (string, error) {
	list, err := objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}

// Who binds reads what the provider publishes, and changes nothing of it.
func TestPublishedObjectsAreRead(t *testing.T) {
	const group = "read.windows.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	flavorsOf(ctx, t, admin, provider, group)
	originals := admin.Dynamic(provider).Resource(flavors(group))
	createFlavor(ctx, t, originals, group, "small", "yes")
	createFlavor(ctx, t, originals, group, "secret", "no")
	published := publishFlavors(ctx, t, admin, provider, group)
	if published.Status.ResourceCounts == nil || *published.Status.ResourceCounts != (cachev1alpha1.ResourceCount{Cache: 1, Local: 2}) {
		t.Errorf("counts %+v, want one of two published", published.Status.ResourceCounts)
	}
	bind(ctx, t, admin, consumer, "cloud", provider, "cloud")
	awaitBound(ctx, t, admin, consumer, "cloud")
	seen := alice.Dynamic(consumer).Resource(flavors(group))
	await(ctx, t, "alice sees what is public", func() error {
		got, err := flavorNamesIn(ctx, seen)
		if err == nil && got != "small" {
			return fmt.Errorf("she sees %q", got)
		}
		return err
	})
	if _, err := seen.Get(ctx, "secret", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("reading what is not public: %v, want not found", err)
	}
	watching, err := seen.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	createFlavor(ctx, t, originals, group, "large", "yes")
	awaitEvent(ctx, t, watching, watch.Added, "large")

	small, err := seen.Get(ctx, "small", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"create": func() error { _, err := seen.Create(ctx, small, metav1.CreateOptions{}); return err }(),
		"update": func() error { _, err := seen.Update(ctx, small, metav1.UpdateOptions{}); return err }(),
		"delete": seen.Delete(ctx, "small", metav1.DeleteOptions{}),
		"all":    seen.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
	} {
		if !apierrors.IsMethodNotSupported(err) {
			t.Errorf("%s: %v, want that it is not supported", what, err)
		}
	}
	resources, err := admin.Kubernetes(consumer).Discovery().ServerResourcesForGroupVersion(group + "/v1")
	if err != nil || len(resources.APIResources) != 1 || !slices.Equal(resources.APIResources[0].Verbs, metav1.Verbs{"get", "list", "watch"}) {
		t.Errorf("discovery says %+v, error %v", resources, err)
	}
}

func awaitEvent(ctx context.Context, t *testing.T, watching watch.Interface, kind watch.EventType, name string) {
	t.Helper()
	for {
		select {
		case event, open := <-watching.ResultChan():
			if !open {
				t.Fatalf("the watch ended before %s was %s", name, kind)
			}
			if object, ok := event.Object.(*unstructured.Unstructured); ok && event.Type == kind && object.GetName() == name {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%s was not %s", name, kind)
		}
	}
}

// When the provider withdraws, watches end, nothing is read any more, and nothing
// of his is gone.
func TestWithdrawnObjects(t *testing.T) {
	const group = "withdrawn.windows.test"
	ctx, admin := exportsContext(t), as(t, "base")
	provider, _ := newWorkspace(t)
	consumer, _ := newWorkspace(t)
	flavorsOf(ctx, t, admin, provider, group)
	originals := admin.Dynamic(provider).Resource(flavors(group))
	createFlavor(ctx, t, originals, group, "small", "yes")
	publishFlavors(ctx, t, admin, provider, group)
	bind(ctx, t, admin, consumer, "cloud", provider, "cloud")
	awaitBound(ctx, t, admin, consumer, "cloud")
	seen := admin.Dynamic(consumer).Resource(flavors(group))
	await(ctx, t, "flavors are seen", func() error { _, err := seen.Get(ctx, "small", metav1.GetOptions{}); return err })
	says := func(valid bool, message string) {
		t.Helper()
		await(ctx, t, fmt.Sprintf("the export and its endpoint slice say that objects can be read: %v", valid), func() error {
			export, err := client.APIExports(admin, provider).Get(ctx, "cloud", metav1.GetOptions{})
			if err != nil {
				return err
			}
			slice, err := client.APIExportEndpointSlices(admin, provider).Get(ctx, "cloud", metav1.GetOptions{})
			if err != nil {
				return err
			}
			storage := conditionsv1alpha1.Get(export.Status.Conditions, publicationv1alpha1.ExportStorageValid)
			if storage == nil || !strings.Contains(storage.Message, message) || len(slice.Status.APIExportEndpoints) != 1 ||
				conditionsv1alpha1.IsTrue(slice.Status.Conditions, apisv1alpha2.APIExportValid) != valid {
				return fmt.Errorf("%+v, %+v", storage, slice.Status)
			}
			return nil
		})
	}
	says(true, "")
	watching, err := seen.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	if err := client.ClusterCachedResources(admin, provider).Delete(ctx, "flavors", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	ends(ctx, t, watching)
	await(ctx, t, "nothing is read any more", func() error {
		if _, err := seen.List(ctx, metav1.ListOptions{}); !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "its workspace says: there is no ClusterCachedResource") {
			return fmt.Errorf("list: %v", err)
		}
		return nil
	})
	says(false, `there is no ClusterCachedResource "flavors" in this workspace`)
	// The same name again is another identity, which nobody has bound, if the secret is
	// another one.
	if err := admin.Kubernetes(provider).CoreV1().Secrets("kcp-system").Delete(ctx, "clustercachedresource-flavors", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	again := &cachev1alpha1.ClusterCachedResource{ObjectMeta: metav1.ObjectMeta{Name: "flavors"}}
	again.Spec.Group, again.Spec.Version, again.Spec.Resource = group, "v1", "flavors"
	if _, err := client.ClusterCachedResources(admin, provider).Create(ctx, again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	says(false, `ClusterCachedResource "flavors" has another identity than the APIExport says`)
	if _, err := seen.List(ctx, metav1.ListOptions{}); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("another identity is read: %v", err)
	}
	if err := client.APIBindings(admin, consumer).Delete(ctx, "cloud", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitUnbound(ctx, t, admin, consumer, "cloud")
	if _, err := originals.Get(ctx, "small", metav1.GetOptions{}); err != nil {
		t.Errorf("the provider's object: %v", err)
	}
}

func ends(ctx context.Context, t *testing.T, watching watch.Interface) {
	t.Helper()
	for {
		select {
		case _, open := <-watching.ResultChan():
			if !open {
				return
			}
		case <-ctx.Done():
			t.Fatal("the watch goes on")
		case <-time.After(time.Minute):
			t.Fatal("the watch goes on")
		}
	}
}

// Who works for the provider reads the same by the address in the slice.
func TestPublishedObjectsHaveAnAddress(t *testing.T) {
	const group = "address.windows.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	provider, _ := newWorkspace(t)
	bystander, _ := newWorkspace(t)
	flavorsOf(ctx, t, admin, provider, group)
	createFlavor(ctx, t, admin.Dynamic(provider).Resource(flavors(group)), group, "small", "yes")
	createFlavor(ctx, t, admin.Dynamic(provider).Resource(flavors(group)), group, "secret", "no")
	publishFlavors(ctx, t, admin, provider, group)
	var address string
	await(ctx, t, "the slice has an address", func() error {
		slice, err := client.ClusterCachedResourceEndpointSlices(admin, provider).Get(ctx, "flavors", metav1.GetOptions{})
		if err == nil && len(slice.Status.ClusterCachedResourceEndpoints) == 0 {
			return fmt.Errorf("conditions %+v", slice.Status.Conditions)
		}
		if err == nil {
			address = slice.Status.ClusterCachedResourceEndpoints[0].URL
		}
		return err
	})
	at := func(token, workspace string) dynamic.ResourceInterface {
		config := rest.AnonymousClientConfig(restConfig(t, "base"))
		config.BearerToken, config.Host = token, address+"/clusters/"+workspace
		dynamicClient, err := dynamic.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		return dynamicClient.Resource(flavors(group))
	}
	if got, err := flavorNamesIn(ctx, at("alice-token", "*")); err != nil || got != "small" {
		t.Errorf("the provider sees %q, error %v", got, err)
	}
	if err := at("alice-token", "*").Delete(ctx, "small", metav1.DeleteOptions{}); err == nil {
		t.Error("something was deleted through the view")
	}
	if _, err := at("alice-token", bystander.String()).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("in a workspace that has bound nothing: %v, want forbidden", err)
	}
	if _, err := at("bob-token", "*").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger: %v, want forbidden", err)
	}
	if lists, err := alice.Kubernetes(provider).Discovery().ServerResourcesForGroupVersion(group + "/v1"); err != nil || len(lists.APIResources) != 1 {
		t.Errorf("the provider's own flavors: %+v, error %v", lists, err)
	}
}

// A provider cannot show what is another workspace's, nor what is no custom
// resource, nor write that it can.
func TestPublishingOfOthers(t *testing.T) {
	const group = "others.windows.test"
	ctx, admin, alice := exportsContext(t), as(t, "base"), withToken(t, "alice-token")
	victim, _ := newWorkspace(t)
	attacker, attackerWorkspace := newWorkspace(t)
	flavorsOf(ctx, t, admin, victim, group)
	createFlavor(ctx, t, admin.Dynamic(victim).Resource(flavors(group)), group, "small", "yes")
	published := publishFlavors(ctx, t, admin, victim, group)

	slice := &cachev1alpha1.ClusterCachedResourceEndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "flavors"}}
	slice.Spec.ClusterCachedResource.Name, slice.Spec.ClusterCachedResource.Path = "flavors", victim.String()
	slice.Spec.APIExport.Name = "cloud"
	if _, err := client.ClusterCachedResourceEndpointSlices(alice, attacker).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Dynamic(attacker).Resource(cachev1alpha1.SchemeGroupVersion.WithResource("clustercachedresourceendpointslices")).
		Patch(ctx, "flavors", types.MergePatchType, []byte(`{"status":{"shardSelector":"x"}}`), metav1.PatchOptions{}, "status"); !apierrors.IsForbidden(err) {
		t.Errorf("writing the status of a slice: %v, want forbidden", err)
	}
	offerFlavors(ctx, t, alice, attacker, group, published.Status.IdentityHash)
	bind(ctx, t, alice, attacker, "cloud", logicalcluster.Path(attackerWorkspace.Spec.Cluster), "cloud")
	awaitBound(ctx, t, admin, attacker, "cloud")
	await(ctx, t, "the attacker is refused", func() error {
		_, err := alice.Dynamic(attacker).Resource(flavors(group)).List(ctx, metav1.ListOptions{})
		if apierrors.IsServiceUnavailable(err) && strings.Contains(err.Error(), "theirs to offer") {
			return nil
		}
		return fmt.Errorf("list: %v", err)
	})
	secrets := &cachev1alpha1.ClusterCachedResource{ObjectMeta: metav1.ObjectMeta{Name: "roles"}}
	secrets.Spec.Group, secrets.Spec.Version, secrets.Spec.Resource = "rbac.authorization.k8s.io", "v1", "clusterroles"
	if _, err := client.ClusterCachedResources(alice, attacker).Create(ctx, secrets, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "a kind of Kubernetes is not published", func() error {
		found, err := client.ClusterCachedResources(alice, attacker).Get(ctx, "roles", metav1.GetOptions{})
		if err == nil && (len(found.Status.Conditions) == 0 || found.Status.Phase == cachev1alpha1.ClusterCachedResourcePhaseReady) {
			return fmt.Errorf("status %+v", found.Status)
		}
		return err
	})
}
