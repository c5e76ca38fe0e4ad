package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSchemaBombs: what would cost much to serve is refused or served, and soon,
// and the neighbour does not notice.
func TestSchemaBombs(t *testing.T) {
	alice, neighbour := newTenant(t), newTenant(t)
	neighbour.install(t, valve(t, `{"type":"object"}`))
	deep := `{"type":"string"}`
	for range 150 {
		deep = `{"type":"object","properties":{"a":` + deep + `}}`
	}
	wide := make([]string, 2000)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"field%d":{"type":"string","description":"one of many","pattern":"^(a+)+$"}`, i)
	}
	enum := make([]string, 5000)
	for i := range enum {
		enum[i] = fmt.Sprintf(`"value-%d"`, i)
	}
	versions := func(crd *apiextensionsv1.CustomResourceDefinition) {
		for i := range 30 {
			version := *crd.Spec.Versions[0].DeepCopy()
			version.Name, version.Storage = fmt.Sprint("v", i+2), false
			crd.Spec.Versions = append(crd.Spec.Versions, version)
		}
	}
	for name, c := range map[string]struct {
		crd *apiextensionsv1.CustomResourceDefinition
		// says is what the refusal says; empty when it is served.
		says string
	}{
		"deep": {valve(t, deep), "deeper than 200 levels"},
		"rules that cost too much": {valve(t, `{"type":"object","properties":{"l":{"type":"array","items":{"type":"array","items":{"type":"string"}}}},
			"x-kubernetes-validations":[{"rule":"self.l.all(a, self.l.all(b, a.all(c, b.all(d, c == d))))"}]}`), "cost"},
		"wide":          {valve(t, `{"type":"object","properties":{`+strings.Join(wide, ",")+`}}`), ""},
		"many values":   {valve(t, `{"type":"object","properties":{"e":{"type":"string","enum":[`+strings.Join(enum, ",")+`]}}}`), ""},
		"many versions": {valve(t, `{"type":"object","properties":{`+strings.Join(wide[:60], ",")+`}}`, versions), ""},
		"too large":     {valve(t, `{"type":"object","description":"`+strings.Repeat("x", 2<<20)+`"}`), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := alice.crds.ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), c.crd, metav1.CreateOptions{})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%.300v; expected an error that says %q", err, c.says)
				}
			} else if err != nil {
				t.Errorf("%.300v", err)
			} else {
				eventually(t, "it is served", func() error {
					_, err := alice.of("v1", "valves").List(t.Context(), metav1.ListOptions{})
					return err
				})
			}
			t.Logf("%s", time.Since(began))
			asked := time.Now()
			if _, err := neighbour.of("v1", "valves").List(t.Context(), metav1.ListOptions{}); err != nil || time.Since(asked) > 5*time.Second {
				t.Errorf("the neighbour waited %s: %v", time.Since(asked), err)
			}
			definitions := alice.crds.ApiextensionsV1().CustomResourceDefinitions()
			if err := definitions.Delete(t.Context(), "valves.example.io", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
			eventually(t, "it is gone", func() error {
				if _, err := definitions.Get(t.Context(), "valves.example.io", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
					return fmt.Errorf("expected not found, got %v", err)
				}
				return nil
			})
		})
	}
}
