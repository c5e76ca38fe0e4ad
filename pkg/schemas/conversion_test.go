package schemas

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestInProcessKey(t *testing.T) {
	for host, want := range map[string]string{
		"a.conversion.atrium.internal": "a", "A.Conversion.ATRIUM.internal.": "a", "a.b.conversion.atrium.internal": "a.b",
		"conversion.atrium.internal": "", "example.com": "no", "aconversion.atrium.internal": "no", "conversion.atrium.internal.com": "no",
	} {
		key, ok := InProcessKey(host)
		if ok != (want != "no") || ok && key != want {
			t.Errorf("%s: %q, %v", host, key, ok)
		}
	}
}

func TestMayCallOut(t *testing.T) {
	webhook := func(url string, stored ...string) *apiextensionsv1.CustomResourceDefinition {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		ConvertInProcess(crd, "a")
		if url != "" {
			crd.Spec.Conversion.Webhook.ClientConfig.URL = &url
		}
		crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v2", Served: true}, {Name: "v1", Served: true, Storage: true}}
		crd.Status.StoredVersions = stored
		return crd
	}
	none := webhook("")
	none.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
	unserved := webhook("https://example.com/", "v1")
	unserved.Spec.Versions[1].Served = false
	service := webhook("", "v1")
	service.Spec.Conversion.Webhook.ClientConfig.URL = nil
	for name, c := range map[string]struct {
		crd     *apiextensionsv1.CustomResourceDefinition
		version string
		want    bool
	}{
		"in the process":       {webhook("", "v1"), "v2", false},
		"none":                 {none, "v2", false},
		"outside":              {webhook("https://example.com/", "v1"), "v2", true},
		"as it is stored":      {webhook("https://example.com/", "v1"), "v1", false},
		"older ones are there": {webhook("https://example.com/", "v0", "v1"), "v1", true},
		"stored unserved":      {unserved, "v1", true},
		"a service":            {service, "v2", true},
		"with a port":          {webhook("https://example.com:8443", "v1"), "v2", true},
	} {
		if got := MayCallOut(c.crd, c.version); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
