package v1alpha1

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestPublicationIDIsALabelValueOfItsOwn(t *testing.T) {
	const want = "1oNwKzCPVdx8ged3ajqEGHgS4wYwVD4iICmHKO"
	id := PublicationID("root", "widgets")
	if errs := validation.IsValidLabelValue(id); len(errs) > 0 {
		t.Errorf("%q is no label value: %v", id, errs)
	}
	if id != want {
		t.Errorf("got %q: bindings made earlier would not be found any more", id)
	}
	if other := PublicationID("root", "gadgets"); other == id {
		t.Error("two publications have the same ID")
	}
}
