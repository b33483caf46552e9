package diagnose

import "strings"

// topOf is the top-level package of a module.
func topOf(module string) string {
	top, _, _ := strings.Cut(module, ".")
	return top
}

// distribution is the name under which a module's package is installed.
func distribution(module string) string {
	top := topOf(module)
	if d, ok := distributions[module]; ok {
		return d
	}
	if d, ok := distributions[top]; ok {
		return d
	}
	return strings.ReplaceAll(top, "_", "-")
}

var distributions = map[string]string{
	"sklearn": "scikit-learn", "cv2": "opencv-python-headless", "yaml": "PyYAML", "PIL": "Pillow", "skimage": "scikit-image",
	"bs4": "beautifulsoup4", "dateutil": "python-dateutil", "dotenv": "python-dotenv", "hypertune": "cloudml-hypertune",
	"google.cloud.storage": "google-cloud-storage", "google.cloud.bigquery": "google-cloud-bigquery", "googleapiclient": "google-api-python-client",
	"tensorflow_io": "tensorflow-io", "MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary", "Crypto": "pycryptodome", "attr": "attrs",
	"google.protobuf": "protobuf", "apache_beam": "apache-beam", "pkg_resources": "setuptools<81",
}
