package schemas

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestShape(t *testing.T) {
	base := Shape(accepted(gadgets()))
	for name, tc := range map[string]struct {
		change func(*apiextensionsv1.CustomResourceDefinition)
		same   bool
	}{
		"nothing": {func(*apiextensionsv1.CustomResourceDefinition) {}, true},
		"workspace": {func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Annotations = map[string]string{"kcp.io/cluster": "w"}
		}, true},
		"uid":              {func(c *apiextensionsv1.CustomResourceDefinition) { c.UID = "u" }, true},
		"resource version": {func(c *apiextensionsv1.CustomResourceDefinition) { c.ResourceVersion = "7" }, true},
		"generation":       {func(c *apiextensionsv1.CustomResourceDefinition) { c.Generation = 7 }, true},
		"labels":           {func(c *apiextensionsv1.CustomResourceDefinition) { c.Labels = map[string]string{"a": "b"} }, true},
		"finalizers":       {func(c *apiextensionsv1.CustomResourceDefinition) { c.Finalizers = []string{"a"} }, true},
		"managed fields":   {func(c *apiextensionsv1.CustomResourceDefinition) { c.ManagedFields = []metav1.ManagedFieldsEntry{{}} }, true},
		"condition times": {func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Status.Conditions[0].LastTransitionTime = metav1.Now()
		}, true},
		"approved": {func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: "x"}
		}, false},
		"schema": {func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "d"
		}, false},
		"served": {func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Versions[0].Served = false }, false},
		"scope":  {func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Scope = apiextensionsv1.ClusterScoped }, false},
		"printer columns": {func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Versions[0].AdditionalPrinterColumns = []apiextensionsv1.CustomResourceColumnDefinition{{Name: "A"}}
		}, false},
		"accepted names":  {func(c *apiextensionsv1.CustomResourceDefinition) { c.Status.AcceptedNames.ShortNames = []string{"g"} }, false},
		"stored versions": {func(c *apiextensionsv1.CustomResourceDefinition) { c.Status.StoredVersions = []string{"v1", "v2"} }, false},
		"terminating":     {func(c *apiextensionsv1.CustomResourceDefinition) { now := metav1.Now(); c.DeletionTimestamp = &now }, false},
		"conversion":      {func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Conversion = nil }, false},
		"selectable fields": {func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Versions[0].SelectableFields = []apiextensionsv1.SelectableField{{JSONPath: ".a"}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			crd := accepted(gadgets())
			tc.change(crd)
			if same := Shape(crd) == base; same != tc.same {
				t.Errorf("same shape: %v, want %v", same, tc.same)
			}
		})
	}
}

func TestSynthetic(t *testing.T) {
	crd := accepted(gadgets(func(c *apiextensionsv1.CustomResourceDefinition) {
		c.UID, c.ResourceVersion = "mine", "12"
		c.Annotations = map[string]string{"kcp.io/cluster": "w", apiextensionsv1.KubeAPIApprovedAnnotation: "unapproved"}
	}))
	crd.Status.Conditions[1].LastTransitionTime = metav1.Now()
	shape := Shape(crd)
	got := Synthetic(crd, shape)
	if got.UID != "" && string(got.UID) != shape {
		t.Errorf("uid %q, want the shape", got.UID)
	}
	if diff := cmp.Diff(map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: "unapproved"}, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	established := apihelpers.FindCRDCondition(got, apiextensionsv1.Established)
	if established == nil || time.Since(established.LastTransitionTime.Time) < time.Hour {
		t.Errorf("established %v, want long ago", established)
	}
	if Shape(got) != shape {
		t.Error("the synthetic definition has another shape than its original")
	}
	now := metav1.Now()
	crd.DeletionTimestamp = &now
	if !Terminating(Synthetic(crd, Shape(crd))) {
		t.Error("the synthetic definition of a terminating one does not terminate")
	}
}

func TestServable(t *testing.T) {
	fresh := gadgets()
	if Servable(fresh) {
		t.Error("a definition without accepted names is servable")
	}
	fresh.Status = Status(fresh, nil, metav1.Now())
	if !Servable(fresh) {
		t.Error("a definition with accepted names is not servable")
	}
	crd := accepted(gadgets())
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{
		{Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionFalse},
		{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue},
	}
	if !Servable(crd) {
		t.Error("an established definition that asks for a taken name is no longer servable")
	}
}

func TestFromCRD(t *testing.T) {
	crd := accepted(gadgets(func(c *apiextensionsv1.CustomResourceDefinition) {
		schema := c.Spec.Versions[0].Schema
		c.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{
			{Name: "v1beta1", Served: true, Schema: schema}, {Name: "v1alpha1", Schema: schema}, {Name: "v1", Served: true, Storage: true, Schema: schema},
		}
	}))
	api := FromCRD(crd, Local)
	if diff := cmp.Diff([]string{"v1", "v1beta1"}, api.Versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if !api.Namespaced || api.Kind != "Gadget" {
		t.Errorf("API %+v does not describe the definition", api)
	}
}
