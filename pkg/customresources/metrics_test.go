package customresources

import (
	"context"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

func TestMain(m *testing.M) {
	metrics.Register()
	LimitMetrics([]schema.GroupVersionResource{{Version: "v1", Resource: "configmaps"}})
	os.Exit(m.Run())
}

// However many resources tenants think of, there are no more series.
func TestTenantsMakeNoSeries(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	h.install("a", coloured())
	client := h.widgets(t, "a")
	if _, err := client.Create(ctx, widget("one", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.List(ctx, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	requests := 0.0
	for _, family := range families {
		for _, series := range family.Metric {
			for _, label := range series.Label {
				if strings.Contains(label.GetValue(), "widget") || strings.Contains(label.GetValue(), "example.io") {
					t.Errorf("%s has a series with %s=%q", family.GetName(), label.GetName(), label.GetValue())
				}
				if family.GetName() == "apiserver_request_total" && label.GetName() == "resource" && label.GetValue() == "unexpected" {
					requests += series.GetCounter().GetValue()
				}
			}
		}
	}
	if requests < 2 {
		t.Errorf("%v requests counted, want those of this test", requests)
	}
}
