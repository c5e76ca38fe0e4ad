package policies

import (
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/atriumhub/atrium/pkg/nesting"
)

// shallow refuses an object that policies or webhooks have nested too deeply. What
// a client sends is looked at before anybody works on it; a patch that copies an
// object into itself doubles its depth.
func shallow(object runtime.Object) error {
	if object == nil {
		return nil
	}
	document, err := json.Marshal(object)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("encode what policies made: %w", err))
	}
	if nesting.OfJSON(document) > nesting.Max {
		return apierrors.NewBadRequest(fmt.Sprintf("the policies and webhooks of the workspace made an object that is nested deeper than %d levels", nesting.Max))
	}
	return nil
}
