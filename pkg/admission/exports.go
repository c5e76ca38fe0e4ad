package admission

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/warning"

	"github.com/atriumhub/atrium/pkg/conversions"
	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/schemas/celconversion"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Exports judges the schemas that workspaces offer as a definition would be
// judged, and writes what is the hub's on exports and bindings.
type Exports struct {
	*admission.Handler
	directory *directory.Directory
	// builtin returns the names that every workspace has in a group.
	builtin func(group string) []schemas.Claim
	// hubGroup says whether a group is one of the hub's own.
	hubGroup func(group string) bool
	// allowed says whether the hub may call an address for a tenant.
	allowed func(netip.Addr) error
	// schemaOf returns a schema.
	schemaOf func(context.Context, logicalcluster.Key) (*apisv1alpha1.APIResourceSchema, error)
}

var (
	_ admission.MutationInterface   = &Exports{}
	_ admission.ValidationInterface = &Exports{}
)

// NewExports returns the plugin. builtin returns the names that every workspace has
// in a group, hubGroup whether a group is one of the hub's own, allowed whether the
// hub may call an address for a tenant; schemaOf finds a schema.
func NewExports(dir *directory.Directory, builtin func(group string) []schemas.Claim, hubGroup func(group string) bool, allowed func(netip.Addr) error,
	schemaOf func(context.Context, logicalcluster.Key) (*apisv1alpha1.APIResourceSchema, error),
) *Exports {
	return &Exports{admission.NewHandler(admission.Create, admission.Update), dir, builtin, hubGroup, allowed, schemaOf}
}

var (
	schemasResource     = apisv1alpha2.Resource("apiresourceschemas")
	conversionsResource = apisv1alpha2.Resource("apiconversions")
	exportsResource     = apisv1alpha2.Resource("apiexports")
	definitionsResource = apiextensionsv1.Resource("customresourcedefinitions")
	bindingsResource    = apisv1alpha2.Resource("apibindings")
	rolloutsResource    = publicationv1alpha1.Resource("schemarollouts")
)

// Admit writes the path of its workspace on an export, and on a binding, by which a
// provider gets to know whom he serves. It keeps on bindings and definitions what
// only the hub writes there, and refuses lists that are too long to be judged.
func (p *Exports) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object := accessor(a.GetObject())
	if object == nil {
		return nil
	}
	if a.GetResource().GroupResource() == definitionsResource && !identity.IsHub(a.GetUserInfo()) {
		// Who writes the status of a definition can write its metadata, too.
		keepAnnotation(accessor(a.GetOldObject()), object, apisv1alpha2.AdoptedByAnnotationKey)
	}
	if a.GetSubresource() != "" {
		return nil
	}
	if err := checkSizes(a); err != nil {
		return err
	}
	switch a.GetResource().GroupResource() {
	case exportsResource:
		p.writePath(ctx, object)
	case bindingsResource:
		p.writePath(ctx, object)
		if !identity.IsHub(a.GetUserInfo()) {
			keepLabel(accessor(a.GetOldObject()), object, apisv1alpha2.InternalAPIBindingExportLabelKey)
		}
	}
	return nil
}

func (p *Exports) writePath(ctx context.Context, object metav1.Object) {
	here, _ := target.From(ctx)
	entry, ok := p.directory.ByName(here.Identity)
	if !ok {
		return
	}
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[corev1alpha1.PathAnnotationKey] = entry.Path.String()
	object.SetAnnotations(annotations)
}

// keepLabel gives object the label that old has, or none.
func keepLabel(old, object metav1.Object, key string) {
	var was map[string]string
	if old != nil {
		was = old.GetLabels()
	}
	object.SetLabels(withOld(was, object.GetLabels(), key))
}

// keepAnnotation gives object the annotation that old has, or none.
func keepAnnotation(old, object metav1.Object, key string) {
	var was map[string]string
	if old != nil {
		was = old.GetAnnotations()
	}
	object.SetAnnotations(withOld(was, object.GetAnnotations(), key))
}

// withOld returns values with what old has under key, or without it.
func withOld(old, values map[string]string, key string) map[string]string {
	was, had := old[key]
	if is, has := values[key]; has == had && is == was {
		return values
	}
	values = maps.Clone(values)
	if !had {
		delete(values, key)
		return values
	}
	if values == nil {
		values = map[string]string{}
	}
	values[key] = was
	return values
}

// Validate refuses schemas that could not be served to those who bind them.
func (p *Exports) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() == conversionsResource {
		return p.validateConversion(ctx, a)
	}
	if a.GetResource().GroupResource() != schemasResource || a.GetOperation() != admission.Create || identity.IsHub(a.GetUserInfo()) {
		return nil // they do not change later, and the hub copies what was judged
	}
	offered, err := typed[apisv1alpha1.APIResourceSchema](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the APIResourceSchema cannot be read: %v", err))
	}
	if refusal := p.refusal(offered); refusal != "" {
		return admission.NewForbidden(a, fmt.Errorf("%s", refusal))
	}
	if err := p.checkWebhook(offered); err != nil {
		return admission.NewForbidden(a, err)
	}
	if errs := append(checkPrefix(offered), checkDefinition(ctx, offered)...); len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: apisv1alpha1.GroupName, Kind: "APIResourceSchema"}, offered.Name, errs)
	}
	return nil
}

// validateConversion refuses rules that do not fit the schema they belong to.
func (p *Exports) validateConversion(ctx context.Context, a admission.Attributes) error {
	conversion, err := typed[apisv1alpha1.APIConversion](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the APIConversion cannot be read: %v", err))
	}
	here, _ := target.From(ctx)
	offered, err := p.schemaOf(ctx, logicalcluster.Key{Workspace: here.Identity, Name: a.GetName()})
	if apierrors.IsNotFound(err) {
		return admission.NewForbidden(a, fmt.Errorf("there is no APIResourceSchema of the name %q, which these rules would belong to: create that first", a.GetName()))
	}
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("read APIResourceSchema %q: %w", a.GetName(), err))
	}
	_, err = celconversion.Compile(conversion, offered)
	if err == nil {
		err = celconversion.Keep(conversion, &apisv1alpha1.APIResourceSchema{})
	}
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	p.warnIfBound(ctx, offered)
	return nil
}

// warnIfBound tells who writes rules that they come too late: a schema that was
// bound is converted as it was then, for all who bind it later, too.
func (p *Exports) warnIfBound(ctx context.Context, offered *apisv1alpha1.APIResourceSchema) {
	copied := schemas.CopyName(offered.UID, offered.Spec.Names.Plural, offered.Spec.Group)
	if _, err := p.schemaOf(ctx, logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: copied}); err != nil {
		return // it is not there, or cannot be told
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("APIResourceSchema %q has been bound and is converted as was said then: what is written now has no effect; "+
		"write another APIResourceSchema, an APIConversion of its name, and then name it in the APIExport", offered.Name))
}

// refusal says why nobody may offer the resource, or nothing.
func (p *Exports) refusal(offered *apisv1alpha1.APIResourceSchema) string {
	group, plural := offered.Spec.Group, offered.Spec.Names.Plural
	switch {
	case group == "":
		return "resources of the core group cannot be offered: every workspace has those of Kubernetes itself; use a group of your own"
	case p.hubGroup(group):
		return fmt.Sprintf("group %q is the hub's own: use a group of your own", group)
	}
	for _, claim := range p.builtin(group) {
		if claim.Names.Plural == plural {
			return fmt.Sprintf("%s is %s, which every workspace has already", plural+"."+group, claim.Owner)
		}
	}
	return ""
}

// checkWebhook refuses a conversion webhook that the hub could not call, or would
// not.
func (p *Exports) checkWebhook(offered *apisv1alpha1.APIResourceSchema) error {
	conversion := offered.Spec.Conversion
	if conversion == nil || conversion.Webhook == nil || conversion.Webhook.ClientConfig == nil || conversion.Webhook.ClientConfig.URL == "" {
		return nil // validation says what is missing
	}
	if err := conversions.Check(conversion.Webhook.ClientConfig.URL, p.allowed); err != nil {
		return fmt.Errorf("spec.conversion.webhook.clientConfig.url: %w", err)
	}
	return nil
}

// checkPrefix asks for a label before <plural>.<group>, with which the name ends: the
// schema of the kind has asked for that.
func checkPrefix(offered *apisv1alpha1.APIResourceSchema) field.ErrorList {
	suffix := "." + offered.Spec.Names.Plural + "." + offered.Spec.Group
	if problems := utilvalidation.IsDNS1123Label(strings.TrimSuffix(offered.Name, suffix)); len(problems) > 0 {
		return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), offered.Name, "the part before "+suffix+": "+strings.Join(problems, "; "))}
	}
	return nil
}

// checkDefinition judges the definition that offered stands for, as that of a
// workspace would be.
func checkDefinition(ctx context.Context, offered *apisv1alpha1.APIResourceSchema) field.ErrorList {
	spec := field.NewPath("spec")
	if offered.Spec.NameValidation == apisv1alpha1.PathSegmentNameValidation {
		return field.ErrorList{field.NotSupported(spec.Child("nameValidation"), offered.Spec.NameValidation, []string{apisv1alpha1.DNS1123SubdomainNameValidation})}
	}
	crd, err := schemas.FromSchema(offered)
	if err != nil {
		return field.ErrorList{field.Invalid(spec.Child("versions"), "", err.Error())}
	}
	internal := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, internal, nil); err != nil {
		return field.ErrorList{field.Invalid(spec, "", err.Error())}
	}
	errs := validation.ValidateCustomResourceDefinition(ctx, internal)
	for _, problem := range errs {
		problem.Field = fieldNames.Replace(problem.Field)
	}
	return errs
}

// fieldNames turns fields of a definition into those of a schema: there the schema
// of a version is a field lower, and what all versions have alike is written once.
var fieldNames = strings.NewReplacer(
	".schema.openAPIV3Schema", ".schema",
	"spec.validation.openAPIV3Schema", "spec.versions[0].schema",
	"spec.subresources", "spec.versions[0].subresources",
	"spec.additionalPrinterColumns", "spec.versions[0].additionalPrinterColumns",
	"spec.selectableFields", "spec.versions[0].selectableFields",
)
