package config

import "strings"

// Suggest is a hint for a key that does not exist.
func Suggest(name string) string {
	plain := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	best, dist := "", min(3, len(name)/2+1)
	for _, k := range keys {
		if d := Distance(plain, k.name); d < dist {
			best, dist = k.name, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "the keys are " + strings.Join(Keys(), ", ")
}

// Distance is the number of single-letter changes between two words.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
