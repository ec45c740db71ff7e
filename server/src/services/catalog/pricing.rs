//! What a call costs, exactly: prices are whole numbers of pico-dollars, sums are integers, and only the result is
//! rounded, once.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const PICO: i64 = 1_000_000_000_000;
/// Up to here, 2^51 pico-dollars, every price survives the way through a double and back.
const MOST: f64 = 2_251_799_813_685_248.0;

/// A price in JSON is US dollars for `PER` pieces; in memory it is pico-dollars for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price<const PER: i64>(i64);

/// US dollars for a million tokens.
pub type PerMillion = Price<1_000_000>;
/// US dollars for a thousand tokens: the unit of configurations written for the original platform.
pub type PerThousand = Price<1_000>;
/// US dollars for one image, second, character or request.
pub type Each = Price<1>;

impl<const PER: i64> Price<PER> {
    const SCALE: f64 = (PICO / PER) as f64;

    /// US dollars for `PER` pieces.
    pub fn usd(self) -> f64 {
        self.0 as f64 / Self::SCALE
    }
}

impl<'de, const PER: i64> Deserialize<'de> for Price<PER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pico = (f64::deserialize(deserializer)? * Self::SCALE).round();
        if (0.0..=MOST).contains(&pico) {
            Ok(Self(pico as i64))
        } else {
            Err(D::Error::custom("a price must be between 0 and 2251 dollars for one piece"))
        }
    }
}

impl<const PER: i64> Serialize for Price<PER> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / Self::SCALE)
    }
}

/// The prices of a model, as in the `pricing` column. What is absent costs nothing, but cached and written tokens without
/// a price of their own cost what other input does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pricing {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PerMillion>,
    /// Input read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PerMillion>,
    /// Input written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PerMillion>,
    /// Input written to the provider's cache for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_image: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<PerMillion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<PerMillion>,
    /// Prices of long prompts: the highest tier that the prompt exceeds holds for the whole call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_image: Option<Each>,
    /// By quality and size (`hd 1024x1792`), where it differs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub per_image_by: BTreeMap<String, Each>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<Each>,
    /// By resolution (`4k`), where it differs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub per_second_by: BTreeMap<String, Each>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_character: Option<Each>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_request: Option<Each>,
    /// Read where `input` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_cost_per_1k: Option<PerThousand>,
    /// Read where `output` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_cost_per_1k: Option<PerThousand>,
}

/// Prices of calls whose prompt has more than `tokens` tokens; what is absent stays as it is below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    pub tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<PerMillion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PerMillion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PerMillion>,
}

/// The tokens of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// The whole prompt, what was read from and written to the provider's cache included.
    pub input: u64,
    /// Part of `input`.
    pub cached: u64,
    /// Part of `input`.
    pub cache_write: u64,
    /// Everything that was generated, reasoning included.
    pub output: u64,
}

impl Pricing {
    /// The cost of a call's tokens in millionths of a US dollar, rounded half up.
    pub fn cost_micro_usd(&self, usage: &TokenCounts) -> i64 {
        let tier = self.above.iter().filter(|t| usage.input > t.tokens).max_by_key(|t| t.tokens);
        let pick = |of_tier: Option<PerMillion>, base: Option<PerMillion>| of_tier.or(base).map(|p| p.0);

        let input = pick(tier.and_then(|t| t.input), self.input).or(self.input_cost_per_1k.map(|p| p.0)).unwrap_or(0);
        let output =
            pick(tier.and_then(|t| t.output), self.output).or(self.output_cost_per_1k.map(|p| p.0)).unwrap_or(0);
        let cached = pick(tier.and_then(|t| t.cached_input), self.cached_input).unwrap_or(input);
        let written = self.cache_write.map_or(input, |p| p.0);

        let plain = usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_write);
        let sum = [(plain, input), (usage.cached, cached), (usage.cache_write, written), (usage.output, output)]
            .into_iter()
            .map(|(tokens, price)| i128::from(tokens) * i128::from(price))
            .sum();
        micro(sum)
    }

    /// The cost of generated images. `variant` is a quality and size such as `hd 1024x1792`.
    pub fn images_micro_usd(&self, images: u64, variant: Option<&str>) -> i64 {
        each(images, variant.and_then(|v| self.per_image_by.get(v)).or(self.per_image.as_ref()))
    }

    /// The cost of media of this length. `variant` is a resolution such as `4k`.
    pub fn media_micro_usd(&self, length_us: u64, variant: Option<&str>) -> i64 {
        let price = variant.and_then(|v| self.per_second_by.get(v)).or(self.per_second.as_ref());
        let pico = price.map_or(0, |p| i128::from(length_us) * i128::from(p.0));
        // Pico-dollars times microseconds: a millionth of it is the sum. Exact, because it is divided once.
        rounded(pico, 1_000_000_000_000)
    }

    /// The cost of spoken characters.
    pub fn characters_micro_usd(&self, characters: u64) -> i64 {
        each(characters, self.per_character.as_ref())
    }

    /// What each call costs besides.
    pub fn request_micro_usd(&self) -> i64 {
        each(1, self.per_request.as_ref())
    }
}

fn each(count: u64, price: Option<&Each>) -> i64 {
    micro(price.map_or(0, |p| i128::from(count) * i128::from(p.0)))
}

fn micro(pico: i128) -> i64 {
    rounded(pico, 1_000_000)
}

fn rounded(value: i128, divisor: i128) -> i64 {
    i64::try_from((value + divisor / 2) / divisor).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pricing(value: serde_json::Value) -> Pricing {
        serde_json::from_value(value).unwrap()
    }

    fn tokens(input: u64, cached: u64, cache_write: u64, output: u64) -> TokenCounts {
        TokenCounts { input, cached, cache_write, output }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let p = pricing(json!({"input": 3, "output": 15, "cached_input": 0.3, "cache_write": 3.75}));
        // 1000 plain at 3, 500 cached at 0.3, 200 written at 3.75, 100 out at 15 millionths each.
        assert_eq!(p.cost_micro_usd(&tokens(1700, 500, 200, 100)), 3000 + 150 + 750 + 1500);
        assert_eq!(p.cost_micro_usd(&tokens(0, 0, 0, 0)), 0);
    }

    #[test]
    fn cached_and_written_tokens_without_a_price_cost_what_input_does() {
        let p = pricing(json!({"input": 2, "output": 6}));
        assert_eq!(p.cost_micro_usd(&tokens(10, 4, 3, 1)), 26);
    }

    #[test]
    fn rounds_half_up_and_once() {
        let p = pricing(json!({"input": 0.0375, "output": 0.15}));
        // 0.0375 × 12 = 0.45; 0.0375 × 13 = 0.4875; × 40 = 1.5 exactly.
        assert_eq!(p.cost_micro_usd(&tokens(12, 0, 0, 0)), 0);
        assert_eq!(p.cost_micro_usd(&tokens(13, 0, 0, 0)), 0);
        assert_eq!(p.cost_micro_usd(&tokens(40, 0, 0, 0)), 2);
        // 0.45 + 0.15 = 0.6: rounding each part would lose it.
        assert_eq!(p.cost_micro_usd(&tokens(12, 0, 0, 1)), 1);
    }

    #[test]
    fn a_long_prompt_is_priced_by_its_tier_as_a_whole() {
        let p = pricing(json!({"input": 10, "output": 50, "cached_input": 1, "cache_write": 12.5,
            "above": [{"tokens": 272000, "input": 20, "output": 75, "cached_input": 2}]}));
        assert_eq!(p.cost_micro_usd(&tokens(272_000, 0, 0, 10)), 2_720_000 + 500);
        assert_eq!(p.cost_micro_usd(&tokens(272_001, 2_001, 0, 10)), 270_000 * 20 + 2_001 * 2 + 750);

        let two = pricing(
            json!({"input": 1, "output": 1, "above": [{"tokens": 20, "input": 4}, {"tokens": 10, "input": 2}]}),
        );
        assert_eq!(two.cost_micro_usd(&tokens(10, 0, 0, 1)), 11);
        assert_eq!(two.cost_micro_usd(&tokens(11, 0, 0, 1)), 23);
        assert_eq!(two.cost_micro_usd(&tokens(21, 0, 0, 1)), 85);
    }

    #[test]
    fn other_units() {
        let p = pricing(json!({"per_image": 0.04, "per_image_by": {"hd 1024x1792": 0.12}, "per_second": 0.4,
            "per_second_by": {"4k": 0.6}, "per_character": 0.00008, "per_request": 0.002}));
        assert_eq!(p.images_micro_usd(2, None), 80_000);
        assert_eq!(p.images_micro_usd(2, Some("hd 1024x1792")), 240_000);
        assert_eq!(p.images_micro_usd(1, Some("unknown")), 40_000);
        assert_eq!(p.media_micro_usd(8_000_000, None), 3_200_000);
        assert_eq!(p.media_micro_usd(500_000, Some("4k")), 300_000);
        assert_eq!(p.characters_micro_usd(5000), 400_000);
        assert_eq!(p.request_micro_usd(), 2_000);
        assert_eq!(Pricing::default().images_micro_usd(3, None), 0);
    }

    #[test]
    fn prices_of_the_original_are_read() {
        let p = pricing(json!({"input_cost_per_1k": 0.005, "output_cost_per_1k": 0.015, "currency": "USD"}));
        assert_eq!(p.cost_micro_usd(&tokens(1000, 0, 0, 2000)), 5_000 + 30_000);
    }

    #[test]
    fn refuses_what_is_not_a_price() {
        for bad in [json!(-1), json!("3"), json!(1e30)] {
            assert!(serde_json::from_value::<Pricing>(json!({"per_image": bad})).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_price_survives_json(pico in 0i64..MOST as i64) {
            let price = Price::<1_000_000>(pico);
            let back: PerMillion = serde_json::from_str(&serde_json::to_string(&price).unwrap()).unwrap();
            prop_assert_eq!(back, price);
        }

        #[test]
        fn more_tokens_never_cost_less(input in 0u64..1_000_000, output in 0u64..1_000_000) {
            let p = pricing(json!({"input": 0.1, "output": 0.5, "above": [{"tokens": 100000, "input": 0.5, "output": 2.5}]}));
            prop_assert!(p.cost_micro_usd(&tokens(input + 1, 0, 0, output)) >= p.cost_micro_usd(&tokens(input, 0, 0, output)));
            prop_assert!(p.cost_micro_usd(&tokens(input, 0, 0, output + 1)) >= p.cost_micro_usd(&tokens(input, 0, 0, output)));
        }
    }
}
