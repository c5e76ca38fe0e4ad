package celconversion

import (
	"encoding/json"
	"fmt"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

// keptAnnotation holds, on the copy that the hub keeps of a schema, the rules that
// belong to it, as JSON. It means nothing on schemas of tenants.
const keptAnnotation = "apis.atrium.io/conversion"

// maxKept bounds what is kept: all annotations of an object can have 256 kB.
const maxKept = 128 << 10

// Keep writes conversion down on kept, the copy of its schema, so that the two are
// stored, and go, together.
func Keep(conversion *apisv1alpha1.APIConversion, kept *apisv1alpha1.APIResourceSchema) error {
	text, err := json.Marshal(conversion.Spec)
	if err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	if len(text) > maxKept {
		return fmt.Errorf("APIConversion %q is longer than %d kB", conversion.Name, maxKept>>10)
	}
	if kept.Annotations == nil {
		kept.Annotations = map[string]string{}
	}
	kept.Annotations[keptAnnotation] = string(text)
	return nil
}

// Kept returns the rules written down on kept, a copy that the hub made, or nil
// when there are none.
func Kept(kept *apisv1alpha1.APIResourceSchema) (*Rules, error) {
	text, ok := kept.Annotations[keptAnnotation]
	if !ok {
		return nil, nil
	}
	conversion := &apisv1alpha1.APIConversion{}
	if err := json.Unmarshal([]byte(text), &conversion.Spec); err != nil {
		return nil, fmt.Errorf("read the rules of %s: %w", kept.Name, err)
	}
	return Compile(conversion, kept)
}
