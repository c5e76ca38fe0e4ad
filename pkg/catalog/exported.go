package catalog

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/schemas/celconversion"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

// Exported is a resource of an APIExport, to whom it is shown.
type Exported struct {
	Schema *apisv1alpha1.APIResourceSchema
	// Kept is the copy of the schema, with the rules to convert by. It is nil while
	// nobody has bound the schema.
	Kept *apisv1alpha1.APIResourceSchema
	// Stored are the versions that objects may be stored in.
	Stored []string
	// Ending says that nothing new can be made.
	Ending   bool
	Provider schemas.Provider
	// Export is the full name of the export, as "root:acme:widgets".
	Export string
}

// ended is when everything ended that ends: what matters is that it does.
var ended = metav1.Unix(1, 0)

// API returns it as it is served. An error says what cannot be read.
func (e Exported) API() (*API, error) {
	crd, err := schemas.FromSchema(e.Schema)
	if err != nil {
		return nil, err
	}
	var rules *celconversion.Rules
	if e.Kept != nil {
		if rules, err = celconversion.Kept(e.Kept); err != nil {
			return nil, err
		}
	}
	if rules != nil {
		schemas.ConvertInProcess(crd, rules.Key())
	}
	schemas.MakeReadable(crd, e.Stored)
	if e.Ending {
		crd.DeletionTimestamp = &ended
	}
	api := schemas.FromExport(crd, e.Provider, e.Export)
	if rules != nil {
		api.Converter = rules.Convert
	}
	return api, nil
}
